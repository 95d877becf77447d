"""All that was found about the rollouts of a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from tools.records import Window
from tools.stats.contrast_onset import ContrastOnset
from tools.stats.rollback import Staleness
from tools.stats.rollout_reversal import Reversal
from tools.stats.rollout_timeline import Rollout
from tools.stats.rollout_verdict import SURE_ENOUGH, Clearance
from tools.stats.rollouts import RolloutTest


@dataclass(frozen=True)
class RolloutLook:
    """`accused` are the tests that accuse, strongest first; `clearances` has one entry for each candidate; `fell`
    says whether the model fell against the other models at all; `target` is the snapshot to go back to, `back`
    snapshots before the one to leave, `no_target` why there is none, `costs` what going back costs and `no_cost` why
    that is not known; `elsewhere` are rollouts of other models in the same hours; `caveats` what records and points
    do not agree about."""

    product: str
    metric: str
    model: str
    window: Window
    tests: tuple[RolloutTest, ...]
    candidates: tuple[Rollout, ...]
    accused: tuple[RolloutTest, ...]
    clearances: tuple[Clearance, ...]
    reversals: tuple[Reversal, ...]
    shares: Mapping[str, float]
    fell: bool
    onset: ContrastOnset | None
    precedes: bool | None
    latest: str
    target: str | None = None
    back: int = 0
    no_target: str = ""
    costs: tuple[Staleness, ...] = ()
    no_cost: str = ""
    elsewhere: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()

    @property
    def snapshot(self) -> str | None:
        """The guilty snapshot."""
        return self.accused[0].rollout.snapshot if self.accused else None

    @property
    def leaving(self) -> str:
        """The snapshot that a rollback would leave."""
        return self.snapshot or self.latest

    @property
    def clearance(self) -> float:
        """The confidence that none of the rollouts explains the fall."""
        return min((c.confidence for c in self.clearances), default=0.0)

    @property
    def explains(self) -> bool | None:
        """True: a rollout is accused. False: none of them explains the fall. None: neither can be said."""
        return True if self.accused else False if self.clearance >= SURE_ENOUGH else None
