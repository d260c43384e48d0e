"""`docs/reference/rules.md`, made from `config/rules.toml`: what the diagnosis finds, and by which numbers."""

from collector.diagnosis.judging import CODE, checked_rules
from collector.diagnosis.nouns import Confidence, Severity
from collector.diagnosis.rules import Rule, Rules
from collector.diagnosis.timeline import Kind
from collector.reference.markdown import code, codes, page, table


def rules_page(rules: Rules | None = None) -> str:
    """The reference of rules, and of what no rule can say."""
    rules = rules or checked_rules()
    every = rules.all.values()
    causes: dict[str, list[int]] = {}
    for number, kind in sorted(rules.causes.items()):
        causes.setdefault(kind, []).append(number)
    return page(
        "Rules of the diagnosis",
        "`config/rules.toml`",
        "The faults that `ueip diagnose` finds, and the thresholds. `ueip explain-rule RULE` prints one rule. A "
        "rule does nothing to a router or a person.",
        table(
            ("rule", "version", "severity", "what it finds", "compared by"),
            ((code(r.id), str(r.version), code(r.severity), r.title, _measure(r)) for r in every),
        ),
        f"Severities: {codes(Severity)}. Confidence: {codes(Confidence)}, by how many samples or events there are, "
        "compared with what the rule asks for: three times as many is `high`, one and a half times `medium`. Entries "
        "of the timeline: "
        f"{codes(Kind)}.",
        *(part for rule in every for part in _rule(rule)),
        "## Causes of the network",
        "What an EMM cause (3GPP TS 24.301 annex A) or 5GMM cause (3GPP TS 24.501 annex A) concerns. All other causes "
        "pass by waiting and are not refusals.",
        table(("about", "causes"), ((code(kind), codes(numbers)) for kind, numbers in causes.items())),
        "## What cannot be said",
        table(
            ("what engineers ask for", "why the records do not say it"), ((e.title, e.why) for e in rules.impossible)
        ),
    )


def _measure(rule: Rule) -> str:
    measure = CODE[rule.id].measure
    return f"{measure.name} {measure.unit}" if measure else "how many have it"


def _rule(rule: Rule) -> tuple[str, ...]:
    return (
        f"## {rule.id}",
        " ".join(rule.meaning.split()),
        f"Looks at: {codes(rule.fields)}.",
        table(
            ("threshold", "value", "source"),
            ((code(name), f"{entry.value:g} {entry.unit}", entry.source) for name, entry in rule.thresholds.items()),
        ),
        "\n".join(f"- {step}" for step in rule.next),
    )
