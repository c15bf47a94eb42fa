"""When the clock does something. It only pokes: what is due stands in PostgreSQL, so twice or late does no harm."""

from domain import api_tokens, attachments, attempts, idempotency, presence, sessions
from domain.articles import views as article_views
from domain.maintenance import clock as maintenance
from domain.metrics import counting
from domain.tickets import offering, timers
from infra import relaying
from infra.worker import Tick

TICKS = (
    Tick(5, timers.sweep),
    Tick(5, counting.add_up),
    Tick(5, maintenance.sweep),
    Tick(10, presence.sweep),
    Tick(15, offering.sweep),
    Tick(600, attachments.sweep),
    Tick(3600, attempts.sweep),
    Tick(3600, idempotency.sweep),
    Tick(3600, sessions.sweep),
    Tick(3600, api_tokens.sweep),
    Tick(3600, relaying.sweep),
    Tick(3600, article_views.sweep),
)
