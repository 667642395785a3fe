"""What `--from` and `--mapping` name, and what is said where they are wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoints.local_store import LocalStore
from consumer.errors import Fatal
from consumer.transfer.first_checkpoint import Deployment, write_first_checkpoint
from consumer.transfer.from_checkpoint import read_checkpoint
from consumer.transfer.from_version import told_by
from consumer.transfer.id_mapping import read_mapping
from consumer.transfer.sources import Kind, Source
from consumer.transfer.warm_start import Plan, warm_started
from tests.snapshots.worlds import Writer, read_all
from tests.streams import busy_stream
from tests.transfer.deployments import PLAIN, deployment, entries, known_to, scores, started, taught
from tests.worker.world import World, settings

SOURCE = known_to(taught())
WHOLE = replace(PLAIN, discount=1.0)


def saved(folder: Path) -> Path:
    """A checkpoint on a real disk."""
    world = World(settings())
    there: Deployment = replace(deployment(world), store=LocalStore(folder))
    return folder / write_first_checkpoint(there, started(SOURCE, plan=WHOLE).state, {})


def mapping(folder: Path, text: str) -> Path:
    path = folder / "ids.csv"
    path.write_text(text, encoding="utf-8")
    return path


def told(plan: Plan) -> str:
    with pytest.raises(Fatal) as refused:
        warm_started(plan, settings(), 0.0)
    return str(refused.value)


def test_a_directory_of_checkpoints_stands_for_its_newest(tmp_path: Path) -> None:
    one = saved(tmp_path)
    for path in (tmp_path, one):
        assert sorted(read_checkpoint(path).ids) == sorted(SOURCE.ids)


def test_a_damaged_checkpoint_names_the_array_whose_checksum_is_wrong(tmp_path: Path) -> None:
    one = saved(tmp_path)
    array = one / "items.counts"
    array.write_bytes(bytes([array.read_bytes()[0] ^ 1]) + array.read_bytes()[1:])
    with pytest.raises(Fatal, match=r"cannot be started from: .*/items\.counts: the checksum does not match"):
        read_checkpoint(one)


def test_settings_that_cannot_be_understood_are_told(tmp_path: Path) -> None:
    one = saved(tmp_path)
    text = (one / "contents.json").read_text()
    (one / "contents.json").write_text(text.replace("users.history", "users.hystory"))
    with pytest.raises(Fatal, match="cannot be started from"):
        read_checkpoint(one)


def test_an_empty_directory_and_a_file_are_no_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="there is no checkpoint in"):
        read_checkpoint(tmp_path)
    with pytest.raises(Fatal, match="a directory was expected"):
        read_checkpoint(tmp_path / "nothing")


def test_published_topics_tell_what_the_worker_knows() -> None:
    writer = Writer()
    writer.learn(busy_stream(seed=3, n=600, n_items=30, n_users=20))
    writer.publish_all()
    reader = read_all(writer.cluster)
    assert reader.manifest is not None
    model = started(told_by(reader.manifest, reader.catalogue), plan=WHOLE).state.model
    assert scores(model) == pytest.approx(writer.published_scores(), rel=0.03, abs=1e-4)
    best = max(reader.scores(), key=lambda item: reader.scores()[item])
    assert entries(model, best) == pytest.approx(dict(reader.related(best)), rel=1e-3)
    assert np.array_equal(model.repeat.chance, writer.model.repeat.chance)


def test_a_manifest_without_tables_is_told() -> None:
    writer = Writer()
    writer.learn(busy_stream(seed=3, n=50, n_items=5, n_users=5))
    writer.publish_all()
    reader = read_all(writer.cluster)
    assert reader.manifest is not None
    reader.manifest.model["tables"] = {}
    with pytest.raises(Fatal, match=r"has no usable table repeat\.chance"):
        told_by(reader.manifest, reader.catalogue)


def test_a_mapping_renames() -> None:
    assert SOURCE.renamed({b"tea": b"t"}).ids == [b"t"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("old,new\na,b\n", "the first line must be `from,to`"),
        ("", "the first line must be `from,to`"),
        ("from,to\na,b\na,c\n", "line 3: 'a' stood in column `from` in line 2 already"),
        ("from,to\na,c\nb,c\n", "line 3: 'c' stood in column `to` in line 2 already"),
        ("from,to\na\n", "line 2: two ids are needed"),
        ("from,to\na,\n", "line 2: two ids are needed"),
        ('from,to\n"a,b\n', "cannot be read"),
    ],
)
def test_a_mapping_that_is_not_right_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Fatal, match=message):
        read_mapping(mapping(tmp_path, text))


def test_a_mapping_may_hold_any_text_and_empty_lines(tmp_path: Path) -> None:
    read = read_mapping(mapping(tmp_path, '\ufefffrom,to\n"a,1",ä\n\nb,b\n'))
    assert read == {b"a,1": "ä".encode(), b"b": b"b"}


def test_a_missing_mapping_is_told(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"cannot be read: .*No such file"):
        read_mapping(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("checkpoint:x", Kind.CHECKPOINT),
        ("topics:x", Kind.TOPICS),
        ("vectors:x", Kind.VECTORS),
        ("other.yaml", Kind.TOPICS),
        ("v.npz", Kind.VECTORS),
        ("v.parquet", Kind.VECTORS),
        (".", Kind.CHECKPOINT),
    ],
)
def test_a_source_shows_what_it_is_or_is_told(text: str, kind: Kind) -> None:
    assert Source.of(text).kind is kind


def test_what_is_no_source_is_refused_with_the_ways_to_name_one() -> None:
    assert "checkpoint:nowhere, topics:nowhere, vectors:nowhere" in told(replace(PLAIN, sources=("nowhere",)))


def test_an_unknown_member_is_refused_with_those_there_are() -> None:
    message = told(replace(PLAIN, sources=(".",), members=("popularity", "kosine")))
    assert message == "unknown member kosine; there are popularity, item_to_item, repeat, fusion, neural"


def test_two_deployments_are_one_too_many(tmp_path: Path) -> None:
    assert "names 2" in told(replace(PLAIN, sources=(str(tmp_path), str(tmp_path))))


def test_a_mapping_of_another_catalogue_is_refused(tmp_path: Path) -> None:
    saved(tmp_path / "checkpoints")
    plan = replace(PLAIN, sources=(str(tmp_path / "checkpoints"),), mapping=mapping(tmp_path, "from,to\nx,y\n"))
    assert "lists none of the 5 items in its column `from`" in told(plan)


def test_the_whole_plan_from_a_disk(tmp_path: Path) -> None:
    saved(tmp_path / "checkpoints")
    np.savez(tmp_path / "v.npz", ids=["t", "mug"], vectors=[[1.0, 0.0], [1.0, 0.1]])
    plan = replace(
        PLAIN,
        sources=(str(tmp_path / "checkpoints"), str(tmp_path / "v.npz")),
        mapping=mapping(tmp_path, "from,to\ntea,t\ncup,c\n"),
        members=("item_to_item",),
    )
    found = warm_started(plan, settings(), 0.0)
    assert found.told == (
        "2 items and item_to_item at a discount of 0.1; 1 items without interactions beside their neighbours by vectors"
    )
    assert set(entries(found.state.model, "t")) == {"c", "mug"}
