"""What every destination is, has and can be asked for, whatever its kind; and the work of the Mailjet destination."""
