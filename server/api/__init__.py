"""What each route does: functions that take the app and a request and return a record of the answer."""
