"""The batching engine by itself: time is a number that the test passes in."""

import random

import pytest

from signalbox.sim.engine import Engine, Gauges, Sequence, Step
from signalbox.sim.profile import Profile


def engine(**options: object) -> Engine:
    profile = Profile(**{"jitter": 0.0, "decode_rate": 10.0, "prefill_rate": 1000.0} | options)  # type: ignore[arg-type]
    return Engine(profile, random.Random(1))


def run(core: Engine, until: float = 1e9) -> list[Step]:
    steps: list[Step] = []
    while (due := core.due) is not None and due <= until:
        steps += core.poll(due)
    return steps


def test_one_sequence_prefills_then_decodes_at_its_rate() -> None:
    core = engine()
    one = Sequence(100, 5)
    assert core.submit([one], 0.0)
    steps = run(core)
    assert one.first_at == pytest.approx(0.1)
    assert one.last_at == pytest.approx(0.1 + 4 / 10)
    assert sum(step.output_tokens for step in steps) == 5
    assert sum(step.prompt_tokens for step in steps) == 100
    assert one.done


def test_r_sequences_get_r_to_the_0_6_of_the_rate_of_one() -> None:
    core = engine(batch=16, prefill_rate=1e12)
    core.submit([Sequence(1, 101) for _ in range(16)], 0.0)
    steps = run(core)
    tokens, seconds = sum(s.output_tokens for s in steps) - 16, steps[-1].ended_at - steps[0].ended_at
    assert tokens / seconds == pytest.approx(10 * 16**0.6, rel=0.01)


def test_the_batch_is_bounded_and_the_queue_served_in_order() -> None:
    core = engine(batch=2)
    work = [Sequence(10, 3) for _ in range(5)]
    for sequence in work:
        core.submit([sequence], 0.0)
    ended = [sequence for step in run(core) for sequence in step.finished]
    assert len(ended) == 5
    assert ended.index(work[0]) < ended.index(work[2]) < ended.index(work[4])
    assert work[4].scheduled_at >= work[2].last_at


def test_a_full_queue_refuses_whole_requests_and_counts_every_choice() -> None:
    core = engine(batch=2, queue=1)
    assert core.submit([Sequence(10, 3), Sequence(10, 3)], 0.0)
    assert not core.submit([Sequence(10, 3), Sequence(10, 3)], 0.0)
    assert core.submit([Sequence(10, 3)], 0.0)
    assert core.in_flight == 3


def test_gauges_move_at_the_end_of_a_step_as_vllm_has_it() -> None:
    core = engine(batch=2, step_tokens=2000)
    core.submit([Sequence(1900, 5)], 0.0)
    for at in (0.1, 0.2, 0.3):
        core.submit([Sequence(100, 5)], at)
    assert core.gauges == Gauges(0, 0, 0.0)
    core.poll(1.9)
    assert (core.gauges.running, core.gauges.waiting) == (1, 0)
    core.poll(core.due or 0.0)
    assert (core.gauges.running, core.gauges.waiting) == (2, 2)


def test_free_slots_show_beside_a_queue_when_the_batch_turns_over() -> None:
    core = engine(batch=2)
    core.submit([Sequence(10, 2), Sequence(10, 2), Sequence(10, 2)], 0.0)
    seen = []
    while core.due is not None:
        core.poll(core.due)
        seen.append((core.gauges.running, core.gauges.waiting))
    assert (0, 1) in seen
    assert seen[-1] == (0, 0)


def test_live_gauges_move_at_once() -> None:
    core = engine(gauges="live", batch=1)
    core.submit([Sequence(10, 2)], 0.0)
    core.submit([Sequence(10, 2)], 0.0)
    assert (core.gauges.running, core.gauges.waiting) == (1, 1)


def test_a_long_prompt_takes_several_steps() -> None:
    core = engine(step_tokens=100)
    core.submit([Sequence(250, 1)], 0.0)
    assert len(run(core)) == 3


def test_an_aborted_sequence_frees_its_slot_and_its_memory() -> None:
    core = engine(batch=1)
    first, second = Sequence(100, 50), Sequence(100, 1)
    core.submit([first], 0.0)
    core.submit([second], 0.0)
    core.poll(core.due or 0.0)
    core.abort([first])
    ended = [sequence for step in run(core) for sequence in step.finished]
    assert ended == [second]
    assert core.gauges == Gauges(0, 0, 0.0)


def test_kv_pressure_preempts_the_youngest_and_all_still_end() -> None:
    core = engine(context_window=96, kv_tokens=128, block_tokens=16, batch=4)
    work = [Sequence(40, 50) for _ in range(3)]
    core.submit(work, 0.0)
    steps = run(core)
    assert sum(step.preempted for step in steps) > 0
    assert all(sequence.done and sequence.produced == 50 for sequence in work)
    assert work[0].preemptions == 0
    assert core.gauges.kv_usage == 0


def test_a_prefix_that_was_computed_is_not_computed_again() -> None:
    core = engine()
    prefix = tuple(range(6))
    core.submit([Sequence(100, 1, prefix)], 0.0)
    run(core)
    again = Sequence(100, 1, prefix)
    core.submit([again], 10.0)
    run(core)
    assert again.cached == 96
    assert again.first_at - 10.0 == pytest.approx(0.004)


def test_stalled_means_no_step_ends_and_curing_goes_on_from_there() -> None:
    core = engine()
    one = Sequence(100, 3)
    core.submit([one], 0.0)
    core.stalled = True
    assert core.due is None
    assert core.poll(50.0) == []
    core.stalled = False
    core.resume(50.0)
    run(core)
    assert one.first_at == 50.0


def test_slow_and_speed_scale_every_duration() -> None:
    slow, quick = engine(), engine(speed=4.0)
    slow.slow = 3.0
    one, other = Sequence(100, 5), Sequence(100, 5)
    slow.submit([one], 0.0)
    quick.submit([other], 0.0)
    run(slow)
    run(quick)
    assert one.last_at == pytest.approx(1.5)
    assert other.last_at == pytest.approx(0.125)


def test_draining_refuses_the_new_shows_no_load_and_ends_the_old() -> None:
    core = engine()
    old = Sequence(10, 5)
    core.submit([old], 0.0)
    core.poll(core.due or 0.0)
    core.draining = True
    assert core.gauges == Gauges()
    assert not core.submit([Sequence(10, 5)], 1.0)
    run(core)
    assert old.done


def test_late_polls_catch_up_but_not_without_end() -> None:
    core = engine()
    one = Sequence(1, 1000)
    core.submit([one], 0.0)
    core.poll(0.5)
    assert one.produced == pytest.approx(5, abs=1)
    core.poll(60.0)
    assert one.produced < 20


def test_an_embedding_ends_with_its_prompt() -> None:
    core = engine()
    one = Sequence(500, 0)
    core.submit([one], 0.0)
    steps = run(core)
    assert one.done
    assert one.last_at == pytest.approx(0.5)
    assert sum(step.output_tokens for step in steps) == 0


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"speed": 0.0}, {"queue": -1}, {"kv_tokens": 10}])
def test_a_profile_that_cannot_work_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Profile(**wrong)  # type: ignore[arg-type]
