"""Job and CronJob."""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

from bot.sandbox.cluster.structure import same
from bot.sandbox.cluster.validation.faults import Faults, mapping, not_negative
from bot.sandbox.cluster.validation.pods import check_template
from bot.sandbox.cluster.validation.selectors import check_selector
from bot.sandbox.cluster.validation.workloads import check_labels_selected

Json = dict[str, Any]
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
    "maxFailedIndexes",
)  # fmt: skip
_UID = "batch.kubernetes.io/controller-uid"
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_MACROS = frozenset({
    "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly",
})  # fmt: skip
MAX_CRON_NAME = 52


def job(faults: Faults, new: Json, old: Json | None) -> None:
    spec = new["spec"]
    _check_counts(faults, "spec", spec)
    selector = spec.get("selector")
    if selector is None:
        faults.required("spec.selector")
    else:
        check_selector(faults, "spec.selector", selector)
    _check_generated(faults, new, selector)
    check_labels_selected(faults, spec, selector)
    _check_pods(faults, "spec", spec)
    if old is not None:
        _check_update(faults, spec, old)


def _check_generated(faults: Faults, new: Json, selector: Any) -> None:
    if new["spec"].get("manualSelector") or selector is None:
        return
    wanted = {"matchLabels": {_UID: new["metadata"].get("uid")}}
    if selector != wanted:
        faults.invalid("spec.selector", selector, "`selector` not auto-generated")


def _check_counts(faults: Faults, field: str, spec: Json) -> None:
    for name in _COUNTS:
        not_negative(faults, f"{field}.{name}", spec.get(name))
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        faults.choice(f"{field}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed" and spec.get("completions") is None:
        faults.required(f"{field}.completions", f"when completion mode is {mode}")
    policy = spec.get("podReplacementPolicy")
    if policy not in (None, "Failed", "TerminatingOrFailed"):
        allowed = ("Failed", "TerminatingOrFailed")
        faults.unsupported(f"{field}.podReplacementPolicy", policy, allowed)


def _check_pods(faults: Faults, field: str, spec: Json) -> None:
    check_template(faults, f"{field}.template", spec.get("template"))
    policy = mapping(mapping(spec.get("template")).get("spec")).get("restartPolicy")
    here = f"{field}.template.spec.restartPolicy"
    if policy in (None, "", "Always"):
        faults.required(here, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        faults.choice(here, policy, ("OnFailure", "Never"))


def _check_update(faults: Faults, new: Json, old: Json) -> None:
    before = old["spec"]
    if new.get("completions") != before.get("completions"):
        elastic = (
            new.get("completionMode") == "Indexed"
            and new.get("completions") == new.get("parallelism")
            and before.get("completions") == before.get("parallelism")
        )
        if not elastic:
            faults.invalid("spec.completions", new.get("completions"), "field is immutable")
    if new.get("selector") != before.get("selector"):
        faults.invalid("spec.selector", new.get("selector"), "field is immutable")
    _check_template_update(faults, new["template"], before["template"], old)
    for name in ("completionMode", "backoffLimitPerIndex", "managedBy", "podFailurePolicy"):
        if not same(new.get(name), before.get(name)):
            faults.invalid(f"spec.{name}", new.get(name), "field is immutable")


# What of the pods of a suspended job that never ran may change.
_SCHEDULING = ("nodeSelector", "tolerations", "affinity", "schedulingGates")


def _check_template_update(faults: Faults, new: Json, old: Json, before: Json) -> None:
    unstarted = before["spec"].get("suspend") and not mapping(before.get("status")).get("startTime")
    if not unstarted:
        if not same(new, old):
            faults.invalid("spec.template", new, "field is immutable")
        return
    kept = {**new["spec"], **{name: old["spec"].get(name) for name in _SCHEDULING}}
    kept = {name: value for name, value in kept.items() if value is not None}
    if not same(kept, {k: v for k, v in old["spec"].items() if v is not None}):
        faults.invalid("spec.template.spec", new["spec"], "field is immutable")


def cron_job(faults: Faults, new: Json, _old: Json | None) -> None:
    spec = new["spec"]
    if len(new["metadata"].get("name") or "") > MAX_CRON_NAME:
        detail = f"must be no more than {MAX_CRON_NAME} characters"
        faults.invalid("metadata.name", new["metadata"]["name"], detail)
    _check_schedule(faults, spec)
    not_negative(faults, "spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    policy, allowed = spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace")
    if policy not in allowed:
        faults.choice("spec.concurrencyPolicy", policy, allowed)
    template = mapping(mapping(spec.get("jobTemplate")).get("spec"))
    _check_counts(faults, "spec.jobTemplate.spec", dict(template))
    _check_pods(faults, "spec.jobTemplate.spec", dict(template))
    for name in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        not_negative(faults, f"spec.{name}", spec.get(name))


def _check_schedule(faults: Faults, spec: Json) -> None:
    schedule = spec.get("schedule") or ""
    if not schedule:
        faults.required("spec.schedule")
    elif "TZ=" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        faults.invalid("spec.schedule", schedule, detail)
    else:
        wrong = schedule_fault(schedule)
        if wrong:
            faults.invalid("spec.schedule", schedule, wrong)
    zone = spec.get("timeZone")
    if zone is not None and not _is_zone(zone):
        faults.invalid("spec.timeZone", zone, f"unknown time zone {zone}")


def _is_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def schedule_fault(schedule: str) -> str:
    """What is wrong with a cron schedule, in the words of the library that the server uses."""
    if schedule.startswith("@"):
        every = re.fullmatch(r"@every ([0-9.]+(ns|us|µs|ms|s|m|h))+", schedule)
        known = schedule in _MACROS or every
        return "" if known else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for field, (low, high), words in zip(
        fields, _RANGES, ((), (), (), _MONTHS, _DAYS), strict=True
    ):
        for part in field.split(","):
            wrong = _part_fault(part, low, high, list(words))
            if wrong:
                return wrong
    return ""


def _part_fault(part: str, low: int, high: int, words: list[str]) -> str:
    span, _, step = part.partition("/")
    if "/" in part and (not step.isdecimal() or int(step) == 0):
        return (
            _number_fault(step)
            if not step.isdecimal()
            else f"step of range should be a positive number: {part}"
        )
    if span in ("*", "?"):
        return ""
    first, _, last = span.partition("-")
    numbers = []
    for text in (first, last) if "-" in span else (first,):
        word = text.lower()
        if word in words:
            numbers.append(words.index(word) + low)
        elif text.isdecimal():
            numbers.append(int(text))
        else:
            return _number_fault(text)
    if numbers[0] < low:
        return f"beginning of range ({numbers[0]}) below minimum ({low}): {part}"
    if numbers[-1] > high:
        return f"end of range ({numbers[-1]}) above maximum ({high}): {part}"
    if numbers[0] > numbers[-1]:
        return f"beginning of range ({numbers[0]}) beyond end of range ({numbers[-1]}): {part}"
    return ""


def _number_fault(text: str) -> str:
    return f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
