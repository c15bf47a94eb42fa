"""Dead letters: listing them, having them tried again, leaving them."""

from typing import Annotated

import models
from domain import dead_letters
from domain.access import Viewer
from infra.unit import Unit
from planner.fields import argument, planned
from planner.pages import Connection, PageArguments
from resolvers.writing import keys_of, mutation
from schema.context import Context
from schema.dead_letters import (
    DeadLetter,
    DeadLetterFilter,
    DiscardDeadLettersInput,
    DiscardDeadLettersResult,
    DiscardDeadLettersSuccess,
    RetryDeadLettersInput,
    RetryDeadLettersResult,
    RetryDeadLettersSuccess,
)


@planned("Jobs and emails that were given up after all retries, newest first. Admins.", name="deadLetters")
def dead_letters_(
    viewer: Viewer,
    page: PageArguments,
    filter: Annotated[
        DeadLetterFilter | None, argument("What to list; default: all that are waiting for a decision.")
    ] = None,
) -> Connection[DeadLetter] | None:
    asked = filter.conditions() if filter else dead_letters.Conditions()
    order = [models.DeadLetter.failed_at.desc(), models.DeadLetter.id.desc()]
    return page.of(dead_letters.listed(viewer, asked), order=order)


@mutation("Tries jobs or emails again that were given up. Admins.")
async def retry_dead_letters(unit: Unit, context: Context, input: RetryDeadLettersInput) -> RetryDeadLettersResult:
    ids = keys_of(input.dead_letter_ids, models.DeadLetter, "deadLetterIds")
    return RetryDeadLettersSuccess(dead_letters=list(await dead_letters.retry(unit, context.viewer, ids)))


@mutation("Leaves jobs or emails that were given up. Admins.")
async def discard_dead_letters(
    unit: Unit, context: Context, input: DiscardDeadLettersInput
) -> DiscardDeadLettersResult:
    ids = keys_of(input.dead_letter_ids, models.DeadLetter, "deadLetterIds")
    return DiscardDeadLettersSuccess(dead_letters=list(await dead_letters.discard(unit, context.viewer, ids)))
