"""The embedded broker: amqtt in a process of its own, behind a door that knows who may come in and what they may do."""
