"""What becomes of mail when what leads to its server breaks, or lets nothing through any more."""

import pytest

ATTEMPTS = "SELECT last_error FROM jobs WHERE kind = 'SendMessage' AND state = 'QUEUED' AND last_error IS NOT NULL"


@pytest.mark.promise(
    "Each owed mail is accepted at least once",
    injected="the connection to the mail server cut in DATA, and black-holed before it",
)
@pytest.mark.parametrize("how", ["cut", "black-holed"])
async def test_mail_goes_out_though_its_way_is_lost(real, far, kept, how):
    real.worker.end()
    far.worker.start()
    await real.works(far.worker)
    subject, proxy, stalls = f"The way was {how}", far.proxies["smtp"], real.mail.stalls
    if how == "cut":
        real.mail.stalled = True
        await real.submitted(subject)

        async def being_sent():
            return real.mail.stalls > stalls

        await real.until(being_sent)
        assert proxy.cut() > 0
        real.mail.stalled = False
    else:
        proxy.hole()
        await real.submitted(subject)
        assert (await real.until(lambda: real.rows(ATTEMPTS)))[0]["last_error"].startswith("Away: ")
        assert real.mail.about(subject) == []
        proxy.heal()

    await real.arrives(subject)
    await real.all_settled()
    kept(times=1, tried=1, lost=0, twice=len(real.mail.about(subject)) - 1)
