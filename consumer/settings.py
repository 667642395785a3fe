"""Every setting, with its unit in its name, its default and its bounds.

Values come from the defaults below, then the files given (later ones win), then the environment
(`FRESHRANK__SECTION__KEY`); see `consumer.settings_loading`. An unknown key or an impossible combination is refused,
all problems at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
"""A name that is also valid as a Kafka topic, group or transactional id."""
MOST_PUBLISHED_DIMENSIONS = 320
"""Of the network, so that its encoder fits into a record of a million bytes."""
Share = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(gt=0)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


def _refuse(problems: list[str]) -> None:
    """For validators that may find several problems: one error with a line for each."""
    if problems:
        raise ValueError("\n".join(problems))


class EventType(Section):
    """What an event of this type says about its item."""

    weight: float = Field(ge=-1000, le=1000)
    """Interactions it counts for; below 0 for returns and removals."""
    history: bool = True
    """Whether it enters the user's history; never where the weight is not positive."""


class FieldNames(Section):
    """Names of the members of the input's JSON objects."""

    event_id: str = Field("event_id", min_length=1)
    """Names the event, so that it counts once; without it topic, partition and offset do."""
    user_id: str = Field("user_id", min_length=1)
    """Who did it; required."""
    item_id: str = Field("item_id", min_length=1)
    """With what; required."""
    event_type: str = Field("event_type", min_length=1)
    """What; required unless `input.default_event_type` is set."""
    event_time: str = Field("event_time", min_length=1)
    """When; required unless `input.missing_event_time` says otherwise."""
    session_id: str = Field("session_id", min_length=1)
    """The visit it belongs to; without it pauses divide a user's events."""
    value: str = Field("value", min_length=1)
    """A number; checked, but nothing is learned from it."""
    features: str = Field("features", min_length=1)
    """Flat object of texts and numbers about the item."""

    @model_validator(mode="after")
    def _distinct(self) -> FieldNames:
        names = list(self.model_dump().values())
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"each field needs a name of its own, but {', '.join(twice)} is given twice")
        return self


class Dedupe(Section):
    window_s: Seconds = 600.0
    """How long an event id is remembered, in event time; at least `input.lateness_s`."""
    max_entries: int = Field(2_000_000, ge=1)
    """At most so many ids are remembered; older ones are forgotten early, which is counted."""


class DeadLetterLimit(Section):
    """More dead letters than this and the worker stops: something is wrong with the input or with the settings."""

    max_in_a_row: int = Field(100, ge=1)
    """More than so many one behind the other."""
    max_ratio: float = Field(0.2, gt=0, le=1)
    """More than this share of `ratio_window` records."""
    ratio_window: int = Field(5_000, ge=1)
    """Records over which the ratio is taken."""


class Input(Section):
    topic: Name = "behaviour-events"
    """Its records are the events."""
    fields: FieldNames = FieldNames()
    default_event_type: str | None = None
    """Type of events that name none; without it such an event is a dead letter."""
    time_format: Literal["rfc3339", "epoch_seconds", "epoch_milliseconds"] = "rfc3339"
    """How `event_time` is written; RFC 3339 needs an offset."""
    missing_event_time: Literal["dead_letter", "record_timestamp"] = "dead_letter"
    """What becomes of an event without a time: the record's own may stand in for it."""
    event_types: dict[str, EventType] = Field(
        default_factory=lambda: {
            "view": EventType(weight=1),
            "cart": EventType(weight=4),
            "purchase": EventType(weight=10),
            "remove_from_cart": EventType(weight=-2, history=False),
        },
        min_length=1,
    )
    """Weight of each type, `view: 1`, or `view: {weight: 1, history: true}`; types not listed are skipped."""
    max_id_bytes: int = Field(256, ge=1, le=4096)
    """Events with a longer id are dead letters."""
    earliest_event_time_ms: int = 946_684_800_000
    """Event times before this are dead letters; the default is 2000-01-01."""
    max_future_s: float = Field(300.0, ge=0)
    """An event may be this far ahead of its own record's timestamp."""
    lateness_s: Seconds = 600.0
    """An event may be this far behind the greatest event time of its partition."""
    late_events: Literal["drop", "popularity_only"] = "drop"
    """What is done with later ones."""
    idle_partition_s: Seconds = 3_600.0
    """A partition this far behind the others, in event time, no longer holds the watermark back."""
    on_lost_records: Literal["fail", "skip"] = "fail"
    """Where retention has deleted records of the input before they were read: stop and say so, or go on behind them,
    with their number in the log and in `freshrank_lost_records_total`."""
    dedupe: Dedupe = Dedupe()
    dead_letters: DeadLetterLimit = DeadLetterLimit()

    @field_validator("event_types", mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        """`view: 1` is short for `view: {weight: 1}`; what doesn't count for an item doesn't enter histories."""
        if not isinstance(value, dict):
            return value
        full: dict[object, object] = {}
        for name, given in value.items():
            if any("\ud800" <= character <= "\udfff" for character in str(name)):
                raise ValueError(f"{name!r} holds half a character (a lone surrogate): no event can be of this type")
            if isinstance(given, bool) or not isinstance(given, int | float):
                full[name] = given
            else:
                full[name] = {"weight": given, "history": given > 0}
        return full

    @model_validator(mode="after")
    def _consistent(self) -> Input:
        problems = [
            f"event_types.{name}: an event of weight {kind.weight:g} cannot enter the history"
            for name, kind in self.event_types.items()
            if kind.history and kind.weight <= 0
        ]
        if self.dedupe.window_s < self.lateness_s:
            problems.append(
                f"dedupe.window_s ({self.dedupe.window_s:g}) must be at least lateness_s ({self.lateness_s:g})"
            )
        if self.default_event_type is not None and self.default_event_type not in self.event_types:
            problems.append(f"default_event_type {self.default_event_type!r} is not one of event_types")
        _refuse(problems)
        return self


class Sasl(Section):
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """How the worker signs in."""
    username: str = Field(min_length=1)
    """Name of the worker's user."""
    password: SecretStr
    """Its password; best given as a file (`..._PASSWORD_FILE`)."""


class Tls(Section):
    ca_file: str | None = None
    """PEM file that the brokers' certificates are checked against; default: those that the system trusts."""
    certificate_file: str | None = None
    """PEM file of the worker's own certificate, where brokers ask for one."""
    key_file: str | None = None
    """PEM file of its key."""
    key_password: SecretStr | None = None
    """What that file is locked with."""


class Kafka(Section):
    bootstrap_servers: str = Field("127.0.0.1:9092", min_length=1)
    """Brokers to begin with, as `host:port`, separated by commas."""
    instance_id: Name | None = None
    """Static member id of this deployment slot (a StatefulSet's pod name); default: the host's name."""
    session_timeout_s: float = Field(6.0, ge=6, le=60)
    """A worker silent for longer loses its lease to a standby."""
    transaction_timeout_s: float = Field(60.0, ge=5, le=900)
    """Brokers end a transaction that is open for longer; at most their `transaction.max.timeout.ms`."""
    sasl: Sasl | None = None
    """How to sign in; without it nobody does."""
    tls: Tls | None = None
    """How to encrypt (`{}`: as the system does); without it nothing is encrypted."""
    consumer: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)  # may hold secrets
    """Further librdkafka properties of the consumer, but those that the worker owns."""
    producer: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)
    """Further librdkafka properties of the producer, but those that the worker owns."""


class Batch(Section):
    max_events: int = Field(10_000, ge=1, le=1_000_000)
    """A mini-batch closes at so many records ..."""
    max_wait_s: float = Field(0.05, gt=0, le=10)
    """... or so long after its first one."""
    read_ahead: int = Field(4, ge=1, le=64)
    """Batches fetched and decoded ahead of the learning loop."""


class Catalogue(Section):
    max_items: int = Field(1_000_000, ge=100, le=100_000_000)
    """Beyond that the item without an event for longest is forgotten."""
    item_ttl_s: Seconds = 90 * 86_400.0
    """An item without an event for so long, in event time, is forgotten and its rows are deleted."""


class Users(Section):
    max_users: int = Field(1_000_000, ge=100, le=500_000_000)
    """Beyond that the user without an event for longest is forgotten."""
    user_ttl_s: Seconds = 90 * 86_400.0
    """A user without an event for so long, in event time, is forgotten."""
    history: int = Field(20, ge=10, le=200)
    """Most recent items kept of each user."""
    daily_item_weight: float = Field(3.0, ge=1, le=1_000_000)
    """Most that one user may weigh on one item in a day of event time, in events of the heaviest type."""
    remembered_pairs: int = Field(1_000_000, ge=8, le=1_000_000_000)
    """Pairs of user and item of which that is remembered, eight bytes each; those that weigh least are forgotten."""
    session_gap_s: Seconds = 1_800.0
    """Where events name no session: a pause after which a user's next event opens a new one."""


class Popularity(Section):
    half_lives_s: tuple[Seconds, ...] = Field((3_600.0, 86_400.0, 604_800.0), min_length=1, max_length=8)
    """After so long an event counts half; the mixture of them is learned."""

    @field_validator("half_lives_s")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"half-lives must ascend without repeats, got {value}")
        return value


class ItemToItem(Section):
    neighbours: int = Field(64, ge=8, le=1_000)
    """Entries kept of each item's row; the smallest makes room when it is full."""
    time_constant_s: Seconds = 56 * 86_400.0
    """After so long evidence counts 1/e."""


class SessionKnn(Section):
    enabled: bool = False
    """Off by default: where `item_to_item` is strong it adds little to the ensemble, and readers cannot run it."""
    sessions: int = Field(250_000, ge=16, le=100_000_000)
    """Most recent sessions kept, each with its last 20 items: about 120 bytes a session, and 16 of working memory."""
    recent: int = Field(100, ge=8, le=1_000)
    """Most recent sessions looked at for one item: 4 bytes each and 12 more, for every item."""
    time_constant_s: Seconds = 56 * 86_400.0
    """After so long evidence counts 1/e."""


class Linear(Section):
    """A linear model over features of history, item and moment, and those that events carry (`features`)."""

    enabled: bool = False
    """Off by default: readers cannot run it, and it pays only where events say what items are."""
    optimiser: Literal["sgd", "adagrad", "ftrl"] = "adagrad"
    """How weights follow gradients."""
    learning_rate: float = Field(0.1, gt=0, le=100)
    """Length of the first steps."""
    schedule: Literal["constant", "inverse_scaling", "cosine_restarts"] = "constant"
    """How steps become shorter."""
    schedule_power: float = Field(0.5, ge=0, le=1)
    """Of inverse scaling: the rate after t steps is divided by (t + 1) to this power."""
    schedule_period: int = Field(10_000, ge=1)
    """Of cosine restarts: steps of the first cycle; each later one takes twice as many."""
    l1: float = Field(0.0, ge=0)
    """Pull of every weight towards exactly 0."""
    l2: float = Field(0.0, ge=0)
    """Pull of every weight towards 0, in proportion to it."""
    clip: float = Field(10.0, gt=0)
    """Greatest length of the gradient of one row."""
    learn_one_in: int = Field(4, ge=1)
    """One event in so many, chosen by hash, is learned from."""
    negatives: int = Field(5, ge=1, le=100)
    """Items that did not come, drawn for each one that did."""
    weights: int = Field(65_536, ge=16, le=1 << 26)
    """Hashed features have so many weights, 32 bytes each."""
    item_features: int = Field(8, ge=1, le=32)
    """Features remembered of an item: 12 bytes each, and 25 of working memory, for every item."""


class Neural(Section):
    """An encoder of histories that is learned in steps, by JAX: needs the extra `freshrank[neural]`."""

    enabled: bool = False
    """Off by default: it needs JAX, time for its steps, and readers run it only where it is published
    (`publish.vectors`)."""
    dimensions: int = Field(96, ge=8, le=512)
    """Length of an item's vector; with what its training keeps 12 bytes each, for every item."""
    session_share: float = Field(1.0, gt=0, le=1)
    """Share of the sessions, chosen by hash, that are trained on."""
    examples_per_step: int = Field(64, ge=1, le=65_536)
    """New examples that make one step."""
    replay: int = Field(4, ge=0, le=100)
    """Earlier examples learned again beside each new one."""
    replay_examples: int = Field(300_000, ge=2, le=100_000_000)
    """Examples kept for that, half of them the latest, half with rare items: 100 bytes each."""
    negatives: int = Field(1_024, ge=2, le=65_536)
    """Items that a step holds its examples against, half as often as they came lately, half uniform."""
    learning_rate: float = Field(0.01, gt=0, le=1)
    """Length of a step after the first ones, which are shorter, and before it falls."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the input that a step doesn't see."""
    frozen_steps: int = Field(0, ge=0)
    """Steps during which the vectors that a warm start brought stand still."""
    transferred_rate: float = Field(1.0, ge=0, le=10)
    """Their learning rate after that, as a factor of the others'."""
    steps_per_thousand: int = Field(16, ge=1, le=1_000)
    """Most steps in a thousand events; examples that would need more are left out."""
    queries_per_thousand: int = Field(10, ge=1, le=1_000)
    """Most sampled events, of a thousand events, for which it is asked."""


class Models(Section):
    popularity: Popularity = Popularity()
    item_to_item: ItemToItem = ItemToItem()
    session_knn: SessionKnn = SessionKnn()
    linear: Linear = Linear()
    neural: Neural = Neural()

    @property
    def further(self) -> Mapping[str, bool]:
        """Members that are off by default, and that readers don't all have: whether each is on."""
        return {name: getattr(self, name).enabled for name in ("session_knn", "linear", "neural")}


class Evaluation(Section):
    sample_one_in: int = Field(400, ge=1)
    """One event in so many, chosen by hash, is ranked just before it is learned."""


class Drift(Section):
    """What is done when the stream is no longer what the models' steps were made for."""

    enabled: bool = True
    """Whether anything is done."""
    factor: float = Field(10.0, ge=1, le=100)
    """How many times longer steps are at first."""
    events: int = Field(5_000, ge=100, le=1_000_000_000)
    """Until they are as long as usual."""


class Gate(Section):
    """What a version must pass before it goes out; a held one leaves the last good one visible."""

    enabled: bool = True
    """False leaves the gate open."""
    share_per_hour: float = Field(0.5, gt=0, le=1)
    """Most of the total share that may move to other items in an hour of event time."""
    young_s: float = Field(86_400.0, ge=0)
    """The share limit begins so long after the first version, in event time: a young model has to move."""
    rollback_after_s: Seconds = 600.0
    """Held for so long, but for the share limit: learned state returns to the last good checkpoint."""


class Publish(Section):
    scores_topic: Name = "item-scores"
    """Compacted; key: item, value: its score."""
    related_topic: Name = "item-related"
    """Compacted; key: item, value: what people turn to around it."""
    manifests_topic: Name = "score-manifests"
    """Compacted, one partition; what makes a version whole."""
    vectors: bool = False
    """Also publish what the network (`models.neural`) knows, so that readers can ask it too."""
    vectors_topic: Name = "item-vectors"
    """Compacted; key: item, value: its vector; where `vectors` is set."""
    dead_letters_topic: Name | None = None
    """Default: the input topic's name with `-dead-letters` behind it."""
    interval_s: Seconds = 0.4
    """Versions are at least so far apart."""
    heartbeat_s: Seconds = 5.0
    """An empty version goes out when nothing changed for so long."""
    catch_up_share: float = Field(0.05, gt=0, le=1)
    """Most of the loop's time that publishing takes while the input is behind: versions that show the past can wait."""
    tolerance: float = Field(0.02, gt=0, le=0.5)
    """A score is published again when it has moved by more than this share of itself."""
    related_tolerance: float = Field(0.05, gt=0, le=0.5)
    """A related row is published again when more than this share of its evidence has changed."""
    vectors_tolerance: float = Field(0.002, ge=0.0005, le=0.5)
    """A vector is published again when its cosine with the published one is less than 1 by more than this."""
    max_rows: int = Field(3_000, ge=1, le=1_000_000)
    """Most rows of each topic in one version; what waits goes out with the next."""
    related: int = Field(50, ge=1, le=1_000)
    """Most entries of a related row."""
    stalled_after_s: Seconds = 60.0
    """Events learned for so long without a new version count as a stall."""
    gate: Gate = Gate()

    @property
    def row_topics(self) -> tuple[str, ...]:
        """Those that have rows of items."""
        return (self.scores_topic, self.related_topic, *([self.vectors_topic] if self.vectors else []))


class Checkpoints(Section):
    directory: str = Field("var/checkpoints", min_length=1)
    """Where state is saved; workers that stand by for each other need the same."""
    interval_s: Seconds = 30.0
    """Time between two checkpoints; what came in since is learned again after a crash."""
    keep: int = Field(3, ge=1, le=100)
    """The newest ones. The last good one stays too, and another that is older than `anchor_s` once there is one."""
    anchor_s: Seconds = 3_600.0
    """How far back, at least, the oldest checkpoint that is kept reaches."""


class TelemetrySettings(Section):
    host: str = "127.0.0.1"
    """Address that metrics and health are served at; `0.0.0.0` for every one of the machine's."""
    port: int = Field(9464, ge=0, le=65_535)
    """0: any that is free."""
    page: bool = True
    """Also serve `/` and `/status.json`, which name items; metrics never do."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged: this and what is worse."""
    log_format: Literal["text", "json"] = "text"
    """Text for people, JSON for machines."""


class Settings(Section):
    model: Name = "default"
    """Name of the model: its group, its transactional id, the key of its manifests."""
    input: Input = Input()
    kafka: Kafka = Kafka()
    batch: Batch = Batch()
    catalogue: Catalogue = Catalogue()
    users: Users = Users()
    models: Models = Models()
    evaluation: Evaluation = Evaluation()
    drift: Drift = Drift()
    publish: Publish = Publish()
    checkpoints: Checkpoints = Checkpoints()
    telemetry: TelemetrySettings = TelemetrySettings()

    @property
    def group_id(self) -> str:
        return f"freshrank-{self.model}"

    @property
    def dead_letters_topic(self) -> str:
        return self.publish.dead_letters_topic or f"{self.input.topic}-dead-letters"

    @model_validator(mode="after")
    def _consistent(self) -> Settings:
        topics = [
            self.input.topic,
            *self.publish.row_topics,
            self.publish.manifests_topic,
            self.dead_letters_topic,
        ]
        twice = sorted({t for t in topics if topics.count(t) > 1})
        problems = []
        if twice:
            problems.append(f"each topic needs a name of its own, but {', '.join(twice)} is given twice")
        if self.publish.related > self.models.item_to_item.neighbours:
            problems.append(
                f"publish.related ({self.publish.related}) cannot exceed "
                f"models.item_to_item.neighbours ({self.models.item_to_item.neighbours})"
            )
        network = self.models.neural
        if self.publish.vectors and not network.enabled:
            problems.append("publish.vectors is true, but there is no network: models.neural.enabled is false")
        if self.publish.vectors and network.dimensions > MOST_PUBLISHED_DIMENSIONS:
            problems.append(
                f"publish.vectors is true, but with models.neural.dimensions ({network.dimensions}) above "
                f"{MOST_PUBLISHED_DIMENSIONS} the encoder doesn't fit into one record"
            )
        _refuse(problems)
        return self
