from typing import Any

from django.db import migrations, models


def begin(apps: Any, _: Any) -> None:
    """Every workspace begins with this rule; those that are there get it now."""
    rule = apps.get_model("control", "AlertRule")
    for workspace in apps.get_model("control", "Workspace").objects.all():
        rule.objects.create(workspace=workspace, kind="stall", owners=True)


class Migration(migrations.Migration):
    dependencies = [
        ("control", "0005_deleted_sources"),
    ]

    operations = [
        migrations.AddField(
            model_name="alertrule",
            name="owners",
            field=models.BooleanField(default=False),
        ),
        migrations.AlterField(
            model_name="alertrule",
            name="kind",
            field=models.CharField(
                choices=[
                    ("stall", "Deliveries stand still"),
                    ("hold", "A destination is held"),
                    ("failures", "Too many messages fail"),
                    ("silence", "A source is silent"),
                ],
                max_length=10,
            ),
        ),
        migrations.AlterField(
            model_name="alert",
            name="kind",
            field=models.CharField(
                choices=[
                    ("stall", "Deliveries stand still"),
                    ("hold", "A destination is held"),
                    ("failures", "Too many messages fail"),
                    ("silence", "A source is silent"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
