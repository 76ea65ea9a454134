"""``python -m signalbox.learning``: a job as JSON on standard input, its result as JSON on standard output.

Whoever serves must not wait: this process has the lowest priority and one thread. It ends with 0 if there is a result,
also one that refuses the job, and with 2 if standard input is no job.
"""

import os
import sys

NICE = 19
for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{_library}_NUM_THREADS"] = "1"  # read when numpy is imported


def main() -> int:
    """Run the one job."""
    import msgspec  # noqa: PLC0415

    from signalbox.learning.job import Job, Refused, Result, run  # noqa: PLC0415

    os.nice(NICE)
    result: Result
    status = 0
    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    except msgspec.MsgspecError as error:
        result, status = Refused((f"this is no job: {error}",)), 2
    else:
        result = run(job)
    sys.stdout.buffer.write(msgspec.json.encode(result))
    return status


if __name__ == "__main__":
    sys.exit(main())
