from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0005_holds_and_tasks")]

    operations = [
        migrations.AddIndex(
            model_name="exhibitrow",
            index=models.Index(fields=["destination_id", "position"], name="exhibit_of_message"),
        ),
        migrations.AddIndex(
            model_name="againrow",
            index=models.Index(fields=["destination_id", "position"], name="again_of_message"),
        ),
    ]
