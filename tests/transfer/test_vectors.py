"""Item vectors: read from files, and neighbours for items that nobody has dealt with yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.errors import Fatal
from consumer.models.nearest import nearest
from consumer.transfer.vectors import ItemVectors, read_vectors
from tests.transfer.deployments import PLAIN, entries, known_to, started, taught

SOURCE = known_to(taught())
NORTH, EAST = [0.0, 1.0], [1.0, 0.0]


def vectors(**rows: list[float]) -> ItemVectors:
    return ItemVectors([name.encode() for name in rows], np.array(list(rows.values()), np.float32))


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type] # some are wrong on purpose
    return path


def test_an_item_without_interactions_leads_to_its_neighbours_and_they_to_it() -> None:
    model = started(SOURCE, vectors(mug=NORTH, cup=NORTH, pen=EAST)).state.model
    assert entries(model, "mug") == pytest.approx({"cup": 0.5})
    assert entries(model, "cup")["mug"] == pytest.approx(0.85 * 0.5)
    assert "mug" not in entries(model, "pen")


def test_what_was_learned_stays_where_nothing_cold_lies_near() -> None:
    model = started(SOURCE, vectors(mug=NORTH, cup=NORTH, pen=EAST, ink=EAST)).state.model
    assert entries(model, "pen") == entries(started(SOURCE).state.model, "pen")


def test_vectors_alone_link_all_their_items() -> None:
    model = started(None, vectors(a=NORTH, b=[0.1, 1.0], c=EAST)).state.model
    assert model.n_items == 3
    assert entries(model, "a")["b"] == pytest.approx(0.5 * 1.85 / np.sqrt(1.01))
    assert not model.popularity.positive.any()


def test_strength_is_what_a_neighbour_weighs() -> None:
    model = started(None, vectors(a=NORTH, b=NORTH), plan=replace(PLAIN, strength=3.0)).state.model
    assert entries(model, "a") == pytest.approx({"b": 3.0 * 1.85})


def test_a_row_leads_to_a_few_cold_items_only() -> None:
    crowd = {f"new-{n}": [0.01 * n, 1.0] for n in range(30)}
    model = started(SOURCE, vectors(cup=NORTH, **crowd)).state.model
    assert len([item for item in entries(model, "cup") if item.startswith("new-")]) <= 8


@given(st.integers(1, 30), st.integers(1, 8), st.integers(0, 10**6))
def test_neighbours_are_those_of_a_full_sort(n: int, k: int, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)
    found = nearest(rows, np.arange(n), k)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for i in range(n):
        cosine = unit @ unit[i]
        best = sorted((j for j in range(n) if j != i and cosine[j] > 1e-6), key=lambda j: -cosine[j])[:k]
        listed = found.neighbour[i][found.cosine[i] > 1e-6].tolist()
        assert cosine[listed] == pytest.approx(cosine[best], abs=1e-5)


def test_an_item_of_length_zero_has_no_neighbours() -> None:
    assert nearest(np.zeros((3, 2), np.float32), np.arange(3), 2).neighbour.tolist() == [[-1, -1]] * 3


@pytest.mark.parametrize("ids", [np.array(["a", "ü"]), np.array([b"a", "ü".encode()])])
def test_npz_holds_ids_and_vectors(tmp_path: Path, ids: object) -> None:
    read = read_vectors(npz(tmp_path / "v.npz", ids=ids, vectors=[NORTH, EAST]))
    assert read.ids == [b"a", "ü".encode()]
    assert read.vectors.tolist() == [NORTH, EAST]


def test_numbers_as_ids_are_their_digits(tmp_path: Path) -> None:
    assert read_vectors(npz(tmp_path / "v.npz", ids=[17, 4], vectors=[NORTH, EAST])).ids == [b"17", b"4"]


def test_npy_takes_its_ids_from_a_list(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", np.array([NORTH, EAST]))
    (tmp_path / "ids.txt").write_text("a\nb\n")
    assert read_vectors(tmp_path / "v.npy", tmp_path / "ids.txt").ids == [b"a", b"b"]
    with pytest.raises(Fatal, match="holds no ids"):
        read_vectors(tmp_path / "v.npy")


def test_parquet_has_a_column_of_ids_and_one_of_lists(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="reading Parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="reading Parquet needs pyarrow")
    parquet.write_table(pyarrow.table({"id": ["a", "b"], "vector": [NORTH, EAST]}), tmp_path / "v.parquet")
    read = read_vectors(tmp_path / "v.parquet")
    assert (read.ids, read.vectors.tolist()) == ([b"a", b"b"], [NORTH, EAST])
    parquet.write_table(pyarrow.table({"item": ["a"]}), tmp_path / "w.parquet")
    with pytest.raises(Fatal, match="has no column id and vector; found item"):
        read_vectors(tmp_path / "w.parquet")
    (tmp_path / "x.parquet").write_bytes(b"not at all")
    with pytest.raises(Fatal, match="cannot be read as Parquet"):
        read_vectors(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": ["a"]}, "has no array vectors; found ids"),
        ({"ids": ["a"], "vectors": [NORTH, EAST]}, "there are 1 ids for 2 vectors"),
        ({"ids": ["a", "a"], "vectors": [NORTH, EAST]}, "item 'a' stands in rows 0 and 1"),
        ({"ids": ["a", "b"], "vectors": [NORTH, [0.0, np.nan]]}, "number 1 of the vector of item 'b' is nan"),
        ({"ids": ["a", "b"], "vectors": [1.0, 2.0]}, "vectors have shape"),
        ({"ids": ["a"], "vectors": [["x", "y"]]}, "not numbers"),
    ],
)
def test_a_file_that_is_not_right_says_where(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    with pytest.raises(Fatal, match=message):
        read_vectors(npz(tmp_path / "v.npz", **arrays))


def test_damaged_missing_and_unknown_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "v.npz").write_bytes(b"PK\x03\x04 torn")
    (tmp_path / "v.npy").write_bytes(b"torn")
    (tmp_path / "ids.txt").write_text("a\n")
    for path, message in (
        (tmp_path / "v.npz", "cannot be read as .npz: it is no archive"),
        (tmp_path / "v.npy", "cannot be read"),
        (tmp_path / "none.npz", "there is no such file"),
        (tmp_path / "ids.txt", "item vectors come as"),
    ):
        with pytest.raises(Fatal, match=message):
            read_vectors(path, tmp_path / "ids.txt")
