from collections.abc import Callable
from typing import Any

import pytest

from secdl.gate.decide import Judgement, judge
from secdl.gate.owners import Owners
from secdl.model.finding import Finding
from secdl.model.fingerprint import identify
from secdl.model.policy import Policy, Waivers, parse_policy
from tests.gate.runs import POLICY_TEXT, STAGE, evidence, plan


@pytest.fixture
def policy() -> Policy:
    return parse_policy(POLICY_TEXT, where="gate.toml")


@pytest.fixture
def run(policy: Policy) -> Callable[..., Judgement]:
    """Judges a run that is in order but for what the call changes."""

    def judged(*findings: Finding, profile: str = "dev", **changed: Any) -> Judgement:
        settled: dict[str, Any] = {
            "plan": plan(),
            "evidence": tuple(evidence(tool) for tool in STAGE),
            "policy": policy,
            "waivers": Waivers(),
            "baseline": None,
            "owners": Owners(),
        }
        return judge(findings=identify(findings), profile=profile, **(settled | changed))

    return judged
