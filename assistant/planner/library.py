"""The playbooks that can be walked: parsed, checked and written out."""

from functools import cached_property

from assistant.planner.check import Tools, check
from assistant.planner.flat import FlatPlaybook, expand
from assistant.planner.playbook import CallStep, Fault, FaultyPlaybook, Playbook, parse
from knowledge.catalogue import Catalogue


class UnknownPlaybook(LookupError):
    """No playbook of this name; the message lists those that can be walked."""


class Library:
    """Playbooks by id. A faulty one is refused when it is asked for, so that it does not take the others with it."""

    def __init__(self, catalogue: Catalogue, tools: Tools) -> None:
        self._catalogue = catalogue
        self._tools = tools
        self._flat: dict[str, FlatPlaybook] = {}

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault of every playbook."""
        return tuple(check(self._catalogue, self._tools))

    def ids(self) -> list[str]:
        """The playbooks that an alert can be opened with: those without inputs, and without faults."""
        whole = (playbook for playbook in self._playbooks.values() if not playbook.inputs)
        return [playbook.id for playbook in whole if not self._faults_of(playbook.id)]

    def playbook(self, name: str) -> FlatPlaybook:
        """The playbook written out. Raises `UnknownPlaybook`; `FaultyPlaybook` where it or one it calls has faults."""
        if name not in self._catalogue.playbooks:
            raise UnknownPlaybook(f"there is no playbook {name!r}; there are: {', '.join(self.ids())}")
        faults = self._faults_of(name)
        if faults:
            raise FaultyPlaybook(tuple(faults))
        if name not in self._flat:
            self._flat[name], _ = expand(self._playbooks[name], self._playbooks, self._catalogue.causes)
        flat = self._flat[name]
        if flat.inputs:
            needs = ", ".join(flat.inputs)
            raise UnknownPlaybook(f"the playbook {name!r} is called by others: it needs {needs}; open {self.ids()}")
        return flat

    @cached_property
    def _playbooks(self) -> dict[str, Playbook]:
        found = {}
        for source in self._catalogue.playbooks.values():
            try:
                found[source.id] = parse(source)
            except FaultyPlaybook:
                continue  # its faults are in `faults`
        return found

    def _faults_of(self, name: str) -> list[Fault]:
        within = self._called(name, set())
        return [fault for fault in self.faults if fault.playbook in within]

    def _called(self, name: str, seen: set[str]) -> set[str]:
        """The playbook and all that it calls, directly or not."""
        if name in seen:
            return seen
        seen.add(name)
        playbook = self._playbooks.get(name)
        for step in playbook.steps.values() if playbook else ():
            if isinstance(step, CallStep):
                self._called(step.playbook, seen)
        return seen
