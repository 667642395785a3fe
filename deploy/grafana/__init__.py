"""Two dashboards as data, and the JSON that Grafana is provisioned with (`make dashboards`).

`panels` has the words they are written in, `operators` and `models` the dashboards, `rendering` makes JSON of them.
"""
