"""The process of one worker."""

import asyncio
import socket
import sys

import msgspec

from collector.config_apart import faults_between
from collector.config_files import file_faults
from collector.errors import CollectorError, DataFault
from collector.log import LOG, set_up_logs
from collector.service import Service
from collector.workers.channel import Channel
from collector.workers.job import Job

FAULT = 2
"""Exit code for a fault of the installation, as the command has it."""


def work(descriptor: int) -> int:
    """Be the worker that the socket with this descriptor describes; returns the exit code."""
    line = socket.socket(fileno=descriptor)
    job = _job(line)
    if job is None:
        return FAULT
    faults = _faults(job, line)
    for fault in faults:
        sys.stderr.write(f"ueip: worker {job.number}: {fault}\n")
    return FAULT if faults else 0


def _faults(job: Job, line: socket.socket) -> list[BaseException]:
    """Work until the end, or until the installation has faults; returns them."""
    found: list[BaseException] = []
    try:
        asyncio.run(_service(job, line).run())
    except* CollectorError as group:
        found = _flat(group)
    return found


def _job(line: socket.socket) -> Job | None:
    """The job on the first line; None if the supervisor was gone before it sent one."""
    # Unbuffered: what follows the line is for the channel.
    with line.dup().makefile("rb", buffering=0) as file:
        said = file.readline()
    return msgspec.json.decode(said, type=Job) if said else None


def _service(job: Job, line: socket.socket) -> Service:
    line.setblocking(False)
    settings = job.made_settings()
    if faults := [*file_faults(settings), *faults_between(settings)]:
        raise DataFault(faults)
    set_up_logs(style=settings.log.style, level=settings.log.level)
    LOG.always = {"worker": job.number}
    api_socket = None if job.api is None else socket.socket(fileno=job.api)
    service = Service(
        settings,
        pages=Channel.at(line),
        api_socket=api_socket,
        membership=job.membership(settings),
        is_new=job.is_new,
        is_first=job.number == 1,
    )
    assert isinstance(service.http, Channel)
    service.http.supervisor_gone = service.stop
    service.http.has_left = lambda: service.has_left
    return service


def _flat(group: BaseExceptionGroup[CollectorError]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in group.exceptions:
        found += _flat(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found
