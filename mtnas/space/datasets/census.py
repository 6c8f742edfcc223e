"""Census-Income (KDD): 42 columns on people in the USA of 1994 and 1995; three questions about each.

Source: UCI Machine Learning Repository, "Census-Income (KDD)", from the Current Population Surveys; as a multi-task
benchmark in MMoE (Ma et al., KDD 2018, sec. 5). Rows are taken as they are: the survey's weights are not used.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from mtnas.errors import DataError
from mtnas.space.datasets.directory import find_data_dir
from mtnas.space.datasets.splits import Splits, split_indices

Sample = tuple[dict[str, Tensor], dict[str, Tensor]]

_COLUMNS: dict[str, str | int] = {
    "age": "number",
    "class of worker": 9,
    "detailed industry recode": 52,
    "detailed occupation recode": 47,
    "education": "left out",  # label
    "wage per hour": "money",
    "enroll in edu inst last wk": "left out",  # says "College or university"
    "marital stat": "left out",  # label
    "major industry code": 24,
    "major occupation code": 15,
    "race": 5,
    "hispanic origin": 10,
    "sex": 2,
    "member of a labor union": 3,
    "reason for unemployment": 6,
    "full or part time employment stat": 8,
    "capital gains": "money",
    "capital losses": "money",
    "dividends from stocks": "money",
    "tax filer stat": "left out",  # says "Joint", that is married
    "region of previous residence": 6,
    "state of previous residence": 51,
    "detailed household and family stat": "left out",  # says "never marr", "Spouse of householder"
    "detailed household summary in household": "left out",  # likewise
    "instance weight": "left out",  # of the survey, not of the person
    "migration code-change in msa": 10,
    "migration code-change in reg": 9,
    "migration code-move within reg": 10,
    "live in this house 1 year ago": 3,
    "migration prev res in sunbelt": 4,
    "num persons worked for employer": "number",
    "family members under 18": 5,
    "country of birth father": 43,
    "country of birth mother": 43,
    "country of birth self": 43,
    "citizenship": 5,
    "own business or self employed": 3,
    "fill inc questionnaire for veteran's admin": 3,
    "veterans benefits": 3,
    "weeks worked in year": "number",
    "year": 2,
    "income": "left out",  # label
}
"""The columns in the files' order: numbers, sums of money, or how many values a category has (by the .names file)."""

NUMBERS = tuple(name for name, kind in _COLUMNS.items() if kind in ("number", "money"))
"""Columns of ``x["numbers"]``."""

CATEGORIES = {name: kind for name, kind in _COLUMNS.items() if isinstance(kind, int)}
"""Columns of ``x["categories"]`` and how many values each has."""

CATEGORY_SIZES = tuple(values + 1 for values in CATEGORIES.values())
"""Numbers of codes per column: 0 stands for a value that no training row has."""

_SOME_COLLEGE = (
    "Some college but no degree",
    "Associates degree-occup /vocational",
    "Associates degree-academic program",
    "Bachelors degree(BA AB BS)",
    "Masters degree(MA MS MEng MEd MSW MBA)",
    "Prof school degree (MD DDS DVM LLB JD)",
    "Doctorate degree(PhD EdD)",
)


class Rows(Dataset[Sample]):
    """Rows of a table: ``({"numbers": (A,) float, "categories": (K,) int64}, {label name: 0.0 or 1.0})``."""

    def __init__(self, numbers: Tensor, categories: Tensor, labels: dict[str, Tensor]) -> None:
        self.numbers, self.categories, self.labels = numbers, categories, labels

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Sample:
        x = {"numbers": self.numbers[index], "categories": self.categories[index]}
        return x, {name: label[index] for name, label in self.labels.items()}


def census_income(data_dir: Path | None = None, *, seed: int = 0) -> Splits[Rows]:
    """Census-Income with the labels ``income``, ``never_married`` and ``college``, split 80/10/10 by ``seed``.

    ``income`` is above 50,000 dollars, ``college`` some college or more.

    Reads census-income.data and census-income.test (plain or .gz), both or the one that is there, from the data
    directory or its folder ``census_income_kdd``, ``census_income_kdd_test`` or ``census``. Columns that give a label
    away are no inputs; sums of money are taken as log(1 + x); numbers are scaled to mean 0 and variance 1 over the
    training rows, and categories are numbered by what the training rows hold.

    Raises:
        DataError: if there is no such file, or it is damaged.
    """
    table = pd.concat([_read(path) for path in _files(find_data_dir(data_dir))], ignore_index=True)
    rows = Splits(*(part.numpy() for part in split_indices(len(table), (0.8, 0.1, 0.1), seed)))
    numbers = _numbers(table, rows.train)
    categories = _categories(table, rows.train)
    labels = {
        "income": table["income"].str.startswith("50000+"),
        "never_married": table["marital stat"] == "Never married",
        "college": table["education"].isin(_SOME_COLLEGE),
    }
    targets = {name: torch.from_numpy(label.to_numpy(np.float32)) for name, label in labels.items()}
    return Splits(
        *(
            Rows(numbers[part], categories[part], {name: target[part] for name, target in targets.items()})
            for part in map(torch.from_numpy, rows)
        )
    )


def _files(root: Path) -> list[Path]:
    folders = [root, *(root / name for name in ("census_income_kdd", "census_income_kdd_test", "census"))]
    for folder in folders:
        found = []
        for name in ("census-income.data", "census-income.test"):
            found += [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()][:1]
        if found:
            return found
    raise DataError(
        f"there is no census-income.data or census-income.test (plain or .gz) in '{root}' or its folder"
        " census_income_kdd; get 'Census-Income (KDD)' from the UCI Machine Learning Repository and unpack it there"
    )


def _read(path: Path) -> pd.DataFrame:
    try:
        # "NA" is a value of "hispanic origin", and "?" one of several columns: nothing here means missing.
        table = pd.read_csv(path, header=None, skipinitialspace=True, keep_default_na=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"'{path}' cannot be read as a table ({error}); fetch it again") from error
    if table.shape[1] != len(_COLUMNS):
        raise DataError(f"'{path}' has {table.shape[1]} columns, but Census-Income has {len(_COLUMNS)}; fetch it again")
    table.columns = pd.Index(list(_COLUMNS))
    for column in NUMBERS:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise DataError(f"'{path}' has text in the column '{column}', which holds numbers; fetch it again")
    return table


def _numbers(table: pd.DataFrame, train: NDArray[np.int64]) -> Tensor:
    columns = []
    for name in NUMBERS:
        values = table[name].to_numpy(np.float64)
        # A few large sums would otherwise push all others together.
        values = np.log1p(values) if _COLUMNS[name] == "money" else values
        columns.append((values - values[train].mean()) / (values[train].std() or 1.0))
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


def _categories(table: pd.DataFrame, train: NDArray[np.int64]) -> Tensor:
    columns = []
    for name, size in CATEGORIES.items():
        known = sorted(table[name].iloc[train].unique())
        if len(known) > size:
            raise DataError(
                f"the column '{name}' has {len(known)} values, but Census-Income has {size}; fetch the data again"
            )
        columns.append(pd.Index(known).get_indexer(table[name]).astype(np.int64) + 1)
    return torch.from_numpy(np.stack(columns, axis=1))
