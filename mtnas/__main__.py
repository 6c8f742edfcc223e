from mtnas.cli import main

main()
