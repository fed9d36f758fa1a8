DROP TABLE subscriptions;
DROP TABLE users;
