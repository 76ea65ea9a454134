"""A new release of the operator wants new pods for all routers, and takes a few at a time."""

from world import OperatorProcess, World, backend, eventually, policy

from signalbox.plan.rollouts import AT_ONCE

ROUTERS = AT_ONCE + 2
NEW = "signalbox:new"


def images(world: World) -> list[str]:
    found = [world.child("apps/v1", "Deployment", f"p{number}-router") for number in range(ROUTERS)]
    return [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found]


def upgraded(world: World) -> list[int]:
    return [number for number, image in enumerate(images(world)) if image == NEW]


def test_a_few_routers_roll_at_a_time_and_users_do_not_wait(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), *(policy(f"p{number}", model=f"m{number}") for number in range(ROUTERS)))
    for number in range(ROUTERS):
        eventually(lambda number=number: world.child("policy/v1", "PodDisruptionBudget", f"p{number}-router"))
    assert operator.end() == 0
    operator.start(NEW)
    eventually(lambda: len(upgraded(world)) == AT_ONCE)
    world.settle()
    first = upgraded(world)
    assert len(first) == AT_ONCE

    (waiting, other) = (number for number in range(ROUTERS) if number not in first)
    workers = {"router": {"deployment": {"workers": 2}}}
    world.apply(policy(f"p{waiting}", model=f"m{waiting}", **workers))  # its user wants new pods now
    eventually(lambda: waiting in upgraded(world))
    assert other not in upgraded(world)

    world.become_available(f"p{first[0]}-router")
    world.become_available(f"p{first[1]}-router")
    eventually(lambda: other in upgraded(world))
