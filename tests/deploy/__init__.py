"""What is deployed: units, packages, manifests, rules and dashboards."""
