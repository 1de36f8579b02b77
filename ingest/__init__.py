"""The server: MQTT to columns to one transaction to acknowledgement; settings and commands."""
