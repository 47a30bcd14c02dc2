from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("control", "0014_paused_label")]

    operations = [
        migrations.RenameModel("AlertNotice", "AlertNotification"),
        migrations.RenameField("alertnotification", "over", "resolved"),
        migrations.RenameIndex("alertnotification", "notifications_due", old_name="notices_due"),
        migrations.AlterField(
            "alertnotification",
            "alert",
            models.ForeignKey("control.Alert", models.CASCADE, related_name="notifications"),
        ),
    ]
