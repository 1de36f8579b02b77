"""The server: MQTT to decoded columns to one transaction to acknowledgement; settings and commands."""
