"""What users see: one snapshot in; metrics, web pages, the feed and the commands out."""
