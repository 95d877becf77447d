"""References of a playbook to the alert, to facts, to answers and to inputs, and text that holds such references.

    $alert.product    $facts.<step>.<fact>    $answers.<step>    $input.<name>

A value is a literal, a reference, or `{first_known = [references]}`: the first of them that is known. In a text a
reference stands in braces: "{$facts.rank.feature} went empty".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

FIRST_KNOWN = "first_known"
ALERT_FIELDS = ("product", "metric", "title", "window", "baseline", "snapshot")
_PLACEHOLDER = re.compile(r"\{(\$[^{}]*)\}")


@dataclass(frozen=True)
class Ref:
    """A parsed reference. `step` is empty for the alert and for inputs; `name` is empty for an answer."""

    source: Literal["alert", "facts", "answers", "input"]
    step: str
    name: str

    def __str__(self) -> str:
        return "$" + ".".join(part for part in (self.source, self.step, self.name) if part)


def is_ref(value: object) -> bool:
    """Whether a value of a playbook is a reference rather than a literal."""
    return isinstance(value, str) and value.startswith("$")


def parse_ref(text: str) -> Ref:
    """Parse `$…`. Raises ValueError that shows the allowed forms."""
    source, _, rest = text.removeprefix("$").partition(".")
    if source == "alert" and rest in ALERT_FIELDS:
        return Ref("alert", "", rest)
    if source == "input" and rest and "." not in rest:
        return Ref("input", "", rest)
    if source == "answers" and rest:
        return Ref("answers", rest, "")
    step, _, fact = rest.rpartition(".")
    if source == "facts" and step and fact:
        return Ref("facts", step, fact)
    raise ValueError(
        f"{text!r} is no reference; write $facts.<step>.<fact>, $answers.<step>, $input.<name>, "
        f"or $alert.<{'|'.join(ALERT_FIELDS)}>"
    )


def alternatives(value: object) -> list[object]:
    """The values that an expression may take, in order: those of `first_known`, or the one value itself."""
    if isinstance(value, Mapping) and set(value) == {FIRST_KNOWN} and isinstance(value[FIRST_KNOWN], list | tuple):
        return [nested for option in value[FIRST_KNOWN] for nested in alternatives(option)]
    return [value]


def refs_in(value: object) -> Iterator[str]:
    """Every reference in a value or text, or anywhere inside a table or list of them."""
    if isinstance(value, str):
        yield from [value] if is_ref(value) else _PLACEHOLDER.findall(value)
    elif isinstance(value, Mapping):
        for nested in value.values():
            yield from refs_in(nested)
    elif isinstance(value, list | tuple):
        for nested in value:
            yield from refs_in(nested)


def resolve(value: object, look_up: Callable[[Ref], Any]) -> Any:
    """The value that an expression has now; None where it is not known. Tables and lists are resolved inside."""
    if isinstance(value, Mapping) and set(value) == {FIRST_KNOWN}:
        known = (found for option in alternatives(value) if (found := resolve(option, look_up)) is not None)
        return next(known, None)
    if isinstance(value, Mapping):
        return {key: resolve(nested, look_up) for key, nested in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(nested, look_up) for nested in value]
    return look_up(parse_ref(value)) if isinstance(value, str) and is_ref(value) else value


def fill(text: str, look_up: Callable[[Ref], Any]) -> str:
    """A text with its references replaced by what they stand for."""
    return _PLACEHOLDER.sub(lambda match: words(look_up(parse_ref(match[1]))), text)


def words(value: object) -> str:
    """A value as a reader wants to see it: floats with three digits, times as a span, what is not known as such."""
    if value is None:
        return "(not known)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping) and set(value) == {"start", "end"}:
        return f"{value['start']} to {value['end']}"
    return str(value)


def rewrite(value: Any, prefix: str, inputs: Mapping[str, Any] | None) -> Any:
    """A called playbook's value as its caller sees it: steps get `prefix`, inputs become the caller's expressions.

    With `inputs` None they stay as they are: the playbook is looked at on its own.
    """
    if isinstance(value, str):
        if is_ref(value):
            return _moved(value, prefix, inputs)
        return _PLACEHOLDER.sub(lambda match: _placeholder(_moved(match[1], prefix, inputs)), value)
    if isinstance(value, Mapping):
        return {key: rewrite(nested, prefix, inputs) for key, nested in value.items()}
    if isinstance(value, list | tuple):
        return [rewrite(nested, prefix, inputs) for nested in value]
    return value


def _moved(text: str, prefix: str, inputs: Mapping[str, Any] | None) -> Any:
    source, _, rest = text.removeprefix("$").partition(".")
    if source in ("facts", "answers"):
        return f"${source}.{prefix}{rest}"
    if source == "input" and inputs is not None:
        return inputs.get(rest, text)
    return text


def _placeholder(value: Any) -> str:
    options = alternatives(value)
    return "{" + str(options[0]) + "}" if is_ref(options[0]) else words(options[0])
