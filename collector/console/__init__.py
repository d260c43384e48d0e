"""The console: pages and an API for those who look. What is shown to whom is asked of `collector.access` first."""
