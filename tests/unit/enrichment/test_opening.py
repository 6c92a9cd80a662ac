"""The whole of it as a process opens it: the real writer, through the gateway, out of the job's budget."""

from __future__ import annotations

import json

from passerelle.domain.content import Decision, Piece
from passerelle.jobs.desk import Desk
from passerelle.pipelines.enrichment.desk import Wanted
from passerelle.pipelines.enrichment.opening import Ground, Opened
from passerelle.pipelines.rag.desk import Nowhere
from passerelle.stores.database import Database
from tests.unit.enrichment.office_scene import TENANT, an_office
from tests.unit.jobs.scene import count, over, working


async def test_texts_are_written_paid_and_decided_on(database: Database) -> None:
    async with an_office(database) as scene:
        source = "Cette formation de 2 jours à Lyon permet de préparer un entretien annuel."
        better = "En 2 jours à Lyon, cette formation vous permet de préparer un entretien annuel."
        scene.engine.answer = json.dumps({"text": better}, ensure_ascii=False)
        opened = Opened(
            Ground(database, Desk(database), scene.gateway.editions, scene.gateway.gateway, Nowhere())
        )
        try:
            office = await opened.office()
            wanted = Wanted("rewrite-fr", [Piece("c1", source, language="fr")], budget=10**12)
            job, estimate = await office.works.start(scene.tenant, wanted)
            kinds = await opened.kinds()
            async with working(database, *kinds.values()):
                await over(database, job.id, TENANT)
            done = await office.works.job(TENANT, job.id)
            worked = await office.works.piece(TENANT, job.id, 1)
            await office.deciding.decide(TENANT, job.id, 1, {"text": (Decision.ACCEPTED, None)}, by="ana")
            again, _ = await office.works.start(scene.tenant, wanted)
        finally:
            await opened.aclose()

        assert worked.written is not None, worked.trouble
        assert worked.written.values == {"text": better}
        assert worked.written.calls == scene.calls >= 1
        assert done.spent == scene.charged == worked.written.cost
        assert estimate.cost is not None
        assert estimate.cost.value > 0
        assert [each.value for each in await office.deciding.history(TENANT, "c1")] == [source, better]
        assert (again.state, again.spent) == ("done", 0)
        assert await count(database, "SELECT coalesce(sum(held), 0) FROM content_piece") == 0
        await opened.sweep(done.created_at)
        assert (await office.works.job(TENANT, job.id)).finished_at == done.finished_at
