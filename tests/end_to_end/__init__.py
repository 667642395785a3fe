"""The worker as its users meet it: a process on a real Kafka, judged by clients and by arithmetic of their own."""
