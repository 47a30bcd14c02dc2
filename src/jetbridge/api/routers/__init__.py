"""The calls, one module per noun. `api.app` names them in the order of the documentation."""
