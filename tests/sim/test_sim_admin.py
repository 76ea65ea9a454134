"""The admin port beside the engines."""

import aiohttp

from signalbox.sim import admin
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine


async def test_it_brings_back_a_dead_engine() -> None:
    engine = SimulatedEngine("a", Profile())
    await engine.start()
    runner = await admin.serve([engine], "127.0.0.1", 0)
    try:
        url = "http://{}:{}/sim/engines".format(*runner.addresses[0][:2])
        async with aiohttp.ClientSession() as session:
            await (await session.post(f"{url}/a/faults", json={"dead": True})).read()
            listed = await (await session.get(url)).json()
            assert listed == [{"name": "a", "model": "sim", "address": engine.address, "faults": {"dead": True}}]
            await (await session.delete(f"{url}/a/faults")).read()
            assert (await session.get(f"http://{engine.address}/health")).status == 200
            assert (await session.get(f"{url}/b/faults")).status == 404
    finally:
        await runner.cleanup()
        await engine.stop()
