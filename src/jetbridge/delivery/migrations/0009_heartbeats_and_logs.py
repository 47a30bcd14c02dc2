from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0008_find_by_person"),
    ]

    operations = [
        migrations.CreateModel(
            name="HeartbeatRow",
            fields=[
                ("thread", models.CharField(max_length=250, primary_key=True, serialize=False)),
                ("process", models.IntegerField()),
                ("beaten_at", models.DateTimeField()),
                ("deaths", models.IntegerField(default=0)),
                ("failing_since", models.DateTimeField(null=True)),
                ("error", models.TextField(default="")),
                ("destinations", models.JSONField(default=list)),
            ],
            options={"db_table": "delivery_heartbeat"},
        ),
        migrations.AddField(
            model_name="reading",
            name="log",
            field=models.CharField(default="", max_length=32),
        ),
        migrations.AddField(
            model_name="reading",
            name="mark",
            field=models.CharField(default="", max_length=32),
        ),
        migrations.AddField(
            model_name="againrow",
            name="asked_at",
            field=models.DateTimeField(auto_now_add=True, null=True),
        ),
    ]
