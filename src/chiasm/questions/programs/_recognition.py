"""Is it there? Questions of presence."""

from __future__ import annotations

from chiasm.questions._look import Look
from chiasm.questions._program import Asked, program, yes_no


@program("dropout-present", "recognition", "yesno")
def dropout_present(look: Look) -> Asked:
    """Is there capillary dropout?"""
    return _present(look, "capillary dropout")


def _present(look: Look, name: str) -> Asked:
    yes = look.present(name)
    if yes:
        look.say("found", n=len(look.scene.sights(name)), term=name)
    else:
        look.say("absent", term=name)
    return Asked("present", yes_no(yes), {"term": name})
