from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0007_trouble"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="exhibitrow",
            index=models.Index(fields=["destination_id", "person"], name="exhibit_of_person"),
        ),
    ]
