"""The router telemetry collector of the User Experience Improvement Program (UEIP).

One pure function, `collector.pipeline.process`, decides what happens to a message; a thin asyncio shell obeys.
"""

__version__ = "0.1.0"
