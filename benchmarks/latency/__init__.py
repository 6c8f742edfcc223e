"""Do measured latencies repeat, and can they be foreseen?"""
