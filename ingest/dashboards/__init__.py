"""Grafana dashboards as code: `python -m ingest.dashboards` writes them to deploy/grafana/dashboards.

They name metrics, levels, indicators and views, and so change together with them. Each board is a file of its own; `panels.py` and
`board.py` make Grafana's JSON of it, `common.py` holds what boards share. docs/dashboards.md says what each board answers.
"""
