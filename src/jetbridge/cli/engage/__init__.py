"""`jetbridge audiences` and `jetbridge traits`: the same commands for audiences and for computed traits."""
