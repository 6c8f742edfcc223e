"""Data sets: files are read or refused, overlays are placed right, splits share nothing, seeds decide everything."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from mtnas.errors import DataError
from mtnas.space.datasets import (
    CATEGORY_SIZES,
    LabelledImages,
    Overlays,
    census_income,
    digit_overlays,
    draw_pairs,
    fashion_group,
    fashion_mnist,
    find_data_dir,
    mnist,
    overlay_splits,
    read_idx,
    split_indices,
)

BESIDE = Path(__file__).parents[2] / "shared" / "data"
DATA_DIR = Path(os.environ["MTNAS_DATA"]) if os.environ.get("MTNAS_DATA") else BESIDE if BESIDE.is_dir() else None
needs_data = pytest.mark.skipif(DATA_DIR is None, reason="needs data files: name their directory in MTNAS_DATA")

LABELS = {"first": lambda one, two: one, "second": lambda one, two: two, "sum": lambda one, two: (one + two).float()}


# idx -------------------------------------------------------------------------------------------------------------


def idx_bytes(array: np.ndarray) -> bytes:
    codes = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.str[1:]], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_images(folder: Path, count: int = 30, *, packed: bool = True) -> None:
    """Four small files named like MNIST's; each image is filled with its own number."""
    folder.mkdir(parents=True)
    for split in ("train", "t10k"):
        images = np.broadcast_to(np.arange(count, dtype="u1")[:, None, None], (count, 28, 28))
        for kind, array in (("images-idx3", images), ("labels-idx1", np.arange(count, dtype="u1") % 10)):
            content = idx_bytes(array)
            name = f"{split}-{kind}-ubyte"
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]),
    shape=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    packed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_idx_files_give_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, kind: str, shape: list[int], packed: bool, seed: int
) -> None:
    array = np.random.default_rng(seed).integers(0, 100, shape).astype(kind)
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    found = read_idx(path)
    assert found.numpy().dtype == array.dtype
    np.testing.assert_array_equal(found.numpy(), array)


def test_every_truncation_of_an_idx_file_is_refused(tmp_path: Path) -> None:
    whole = idx_bytes(np.arange(6, dtype="i2").reshape(2, 3))
    packed = gzip.compress(whole)
    path = tmp_path / "images.idx"
    for content in (whole, packed):
        for end in range(len(content)):
            path.write_bytes(content[:end])
            with pytest.raises(DataError, match="images.idx' .*fetch it again"):
                read_idx(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(DataError, match=r"has 25 bytes, but shape \[2, 3\] needs 24"):
        read_idx(path)


def test_damaged_and_missing_idx_files_are_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(idx_bytes(np.arange(200, dtype="u1"))))
    packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "images.gz"
    path.write_bytes(packed)
    with pytest.raises(DataError, match="damaged gzip file"):
        read_idx(path)
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match="not an idx file: it starts with bytes 3c 68 74 6d"):
        read_idx(path)
    with pytest.raises(DataError, match="nowhere' cannot be read"):
        read_idx(tmp_path / "nowhere")


# Overlays --------------------------------------------------------------------------------------------------------


def random_images(count: int, side: int, seed: int) -> LabelledImages:
    g = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, side, side), generator=g, dtype=torch.uint8)
    return LabelledImages(images, torch.randint(0, 10, (count,), generator=g))


@settings(max_examples=30, deadline=None)
@given(one=st.integers(1, 6), two=st.integers(1, 6), extra=st.integers(0, 7), seed=st.integers(0, 1000))
def test_overlays_show_the_brighter_pixel_of_both_corners(one: int, two: int, extra: int, seed: int) -> None:
    first, second = random_images(5, one, seed), random_images(4, two, seed + 1)
    canvas = max(one, two) + extra
    overlays = Overlays(first, second, draw_pairs(5, 4, 9, seed), LABELS, canvas)
    for index, (a, b) in enumerate(overlays.pairs.tolist()):
        expected = np.zeros((canvas, canvas))
        for row in range(canvas):
            for column in range(canvas):
                if row < one and column < one:
                    expected[row, column] = first.images[a, row, column] / 255
                r, c = row - (canvas - two), column - (canvas - two)
                if r >= 0 and c >= 0:
                    expected[row, column] = max(expected[row, column], second.images[b, r, c] / 255)
        x, labels = overlays[index]
        np.testing.assert_allclose(x.numpy(), expected[None], atol=1e-6)
        assert labels["first"] == first.classes[a] and labels["second"] == second.classes[b]
        assert labels["sum"] == first.classes[a] + second.classes[b]


def test_overlays_are_the_same_one_by_one_in_batches_and_in_subsets() -> None:
    images = random_images(8, 4, 0)
    overlays = Overlays(images, images, draw_pairs(8, 8, 20, 1), LABELS, 6)
    chosen = [3, 19, 0, 7]
    x, labels = next(iter(DataLoader(Subset(overlays, chosen), batch_size=4)))
    for row, index in enumerate(chosen):
        one, own = overlays[index]
        assert torch.equal(x[row], one)
        assert all(labels[name][row] == own[name] for name in LABELS)
    with pytest.raises(IndexError):
        overlays[20]
    assert len(overlays) == 20


def test_impossible_overlays_are_refused() -> None:
    images = random_images(3, 4, 0)
    with pytest.raises(DataError, match=r"images of \(4, 4\) do not fit a canvas of 3; enlarge it"):
        Overlays(images, images, draw_pairs(3, 3, 2, 0), LABELS, 3)
    with pytest.raises(DataError, match=r"\(3, 4, 4\) with 2 classes"):
        LabelledImages(images.images, images.classes[:2])


@given(size=st.integers(10, 200), seed=st.integers(0, 1000))
def test_split_indices_cover_everything_once(size: int, seed: int) -> None:
    parts = split_indices(size, (0.6, 0.2, 0.2), seed)
    assert sorted(torch.cat(parts).tolist()) == list(range(size))
    assert abs(len(parts[0]) - 0.6 * size) <= 1
    assert all(torch.equal(a, b) for a, b in zip(parts, split_indices(size, (0.6, 0.2, 0.2), seed), strict=True))


def test_impossible_splits_are_refused() -> None:
    with pytest.raises(DataError, match=r"sum to 0.9"):
        split_indices(10, (0.5, 0.4), 0)
    with pytest.raises(DataError, match="2 samples are too few"):
        split_indices(2, (0.6, 0.2, 0.2), 0)


def rows_of(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_digit_overlays_share_no_digit_between_splits_and_follow_their_seed() -> None:
    splits = digit_overlays(LABELS, train=50, valid=20, test=10)
    assert [len(split) for split in splits] == [50, 20, 10]
    assert splits.train[0][0].shape == (1, 12, 12) and splits.train[0][0].max() <= 1
    bases = [rows_of(split.first.images) for split in splits]
    assert not (bases[0] & bases[1] or bases[0] & bases[2] or bases[1] & bases[2])
    assert sum(len(split.first) for split in splits) == 1797

    again, other = (digit_overlays(LABELS, train=50, valid=20, test=10, seed=seed) for seed in (0, 1))
    every = torch.arange(10)
    for one, same, differs in zip(splits, again, other, strict=True):
        assert torch.equal(one.compose(every), same.compose(every))
        assert not torch.equal(one.compose(every), differs.compose(every))
        assert rows_of(one.first.images) != rows_of(differs.first.images)
    # More pairs of one split leave the base images of all splits as they are.
    larger = digit_overlays(LABELS, train=60, valid=20, test=10)
    assert torch.equal(larger.valid.compose(every), splits.valid.compose(every))


# Data directories ------------------------------------------------------------------------------------------------


def test_data_directories_are_found_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MTNAS_DATA", raising=False)
    with pytest.raises(DataError, match="pass one as data_dir, or name it in the environment variable MTNAS_DATA"):
        find_data_dir(None)
    assert find_data_dir(tmp_path) == tmp_path
    monkeypatch.setenv("MTNAS_DATA", str(tmp_path))
    assert find_data_dir(None) == tmp_path
    with pytest.raises(DataError, match="data_dir names .*nowhere', which is not a directory"):
        find_data_dir(tmp_path / "nowhere")
    monkeypatch.setenv("MTNAS_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError, match="MTNAS_DATA names .*gone', which is not a directory"):
        find_data_dir(None)


@pytest.mark.parametrize("folder", ["mnist", "MNIST/raw"])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_files_are_found_packed_and_plain(tmp_path: Path, folder: str, packed: bool) -> None:
    write_images(tmp_path / folder, packed=packed)
    train, t10k = mnist(tmp_path)
    assert train.images.shape == t10k.images.shape == (30, 28, 28)
    assert train.classes.dtype == torch.int64 and train.classes[13] == 3
    (tmp_path / folder / ("t10k-labels-idx1-ubyte" + ".gz" * packed)).unlink()
    with pytest.raises(DataError, match="there is no t10k-labels-idx1-ubyte or .*; put MNIST's four idx files"):
        mnist(tmp_path)


def test_absent_fashion_mnist_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "debian"
    with pytest.raises(DataError, match="apt install dataset-fashion-mnist"):
        fashion_mnist(tmp_path, installed=installed)
    monkeypatch.delenv("MTNAS_DATA", raising=False)
    with pytest.raises(DataError, match="no data directory is given"):
        fashion_mnist(None, installed=installed)
    write_images(installed)
    for data_dir in (None, tmp_path):
        assert len(fashion_mnist(data_dir, installed=installed)[0]) == 30


def test_overlays_of_files_keep_their_images_apart(tmp_path: Path) -> None:
    write_images(tmp_path / "mnist")
    files = mnist(tmp_path)
    splits = overlay_splits(files, files, LABELS, train=40, valid=20, test=30)
    assert splits.train[0][0].shape == (1, 36, 36)
    for corner in ("first", "second"):
        train, valid, test = (set(getattr(split, corner).images[:, 0, 0].tolist()) for split in splits)
        assert not train & valid and train | valid == set(range(30))
        assert test == set(range(30))  # of the other files
        assert getattr(splits.test, corner) is files[1]


def test_fashion_groups_are_numbered_from_zero() -> None:
    assert sorted(set(fashion_group(torch.arange(10)).tolist())) == [0, 1, 2, 3, 4]


@needs_data
def test_fashion_mnist_is_the_real_one() -> None:
    train, t10k = fashion_mnist(DATA_DIR)
    assert train.images.shape == (60_000, 28, 28) and t10k.images.shape == (10_000, 28, 28)
    assert torch.equal(train.classes.bincount(), torch.full((10,), 6000))
    # Trousers reach from top to bottom of the image, shoes do not.
    height = (train.images.amax(2) > 0).sum(1).float()
    assert height[train.classes == 1].mean() > 27
    assert height[train.classes == 7].mean() < 20


# Census ----------------------------------------------------------------------------------------------------------


def test_absent_and_damaged_census_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="get 'Census-Income .KDD.' from the UCI"):
        census_income(tmp_path)
    path = tmp_path / "census-income.test.gz"
    path.write_bytes(gzip.compress(b"38, Private, 6\n"))
    with pytest.raises(DataError, match="has 3 columns, but Census-Income has 42"):
        census_income(tmp_path)
    path.write_bytes(gzip.compress(b"38, Private, 6\n" * 1000)[:-20])
    with pytest.raises(DataError, match="cannot be read as a table"):
        census_income(tmp_path)


def write_census(path: Path, ages: list[int], industries: list[int]) -> None:
    rows = []
    for number, (age, industry) in enumerate(zip(ages, industries, strict=True)):
        fields = ["x"] * 42
        for column in (5, 16, 17, 18, 30, 39):
            fields[column] = str(number)
        fields[0], fields[2] = str(age), str(industry)
        fields[4] = "Bachelors degree(BA AB BS)" if number % 2 else "Children"
        fields[7] = "Never married" if number % 3 else "Divorced"
        fields[41] = "50000+." if number % 5 == 0 else "- 50000."
        rows.append(", ".join(fields))
    path.write_text("\n".join(rows) + "\n")


def test_census_learns_scales_and_codes_from_training_rows_only(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    ages, industries = generator.integers(0, 90, 100), generator.integers(0, 5, 100)
    held = split_indices(100, (0.8, 0.1, 0.1), 0)[2]
    before = tmp_path / "before"
    before.mkdir()
    write_census(before / "census-income.test", ages.tolist(), industries.tolist())
    ages[held], industries[held] = 1000, 51  # values that no training row has
    after = tmp_path / "after"
    after.mkdir()
    write_census(after / "census-income.test", ages.tolist(), industries.tolist())
    one, other = census_income(before), census_income(after)
    for split in ("train", "valid"):
        assert torch.equal(getattr(one, split).numbers, getattr(other, split).numbers)
        assert torch.equal(getattr(one, split).categories, getattr(other, split).categories)
    assert bool((other.test.categories[:, 1] == 0).all()) and bool((one.test.categories[:, 1] > 0).all())
    torch.testing.assert_close(one.train.numbers.mean(0), torch.zeros(7), atol=1e-5, rtol=0)
    assert float(one.train.labels["college"].mean()) == pytest.approx(0.5, abs=0.1)
    assert float(torch.cat([split.labels["income"] for split in one]).sum()) == 20


@needs_data
def test_census_has_the_shares_that_are_known_of_it() -> None:
    splits = census_income(DATA_DIR)
    x, labels = splits.train[0]
    assert x["numbers"].shape == (7,) and x["categories"].shape == (len(CATEGORY_SIZES),)
    assert bool((splits.train.categories.amax(0) < torch.tensor(CATEGORY_SIZES)).all())
    assert sum(map(len, splits)) >= 99_762
    shares = {name: float(torch.cat([split.labels[name] for split in splits]).mean()) for name in labels}
    assert shares == pytest.approx({"income": 0.062, "never_married": 0.432, "college": 0.335}, abs=0.005)
