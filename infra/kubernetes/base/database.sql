-- A role and a database each for Airflow, MLflow and the release tables. May run again: it makes what lacks and sets
-- the passwords. psql gives :airflow, :mlflow and :release the passwords.
\set ON_ERROR_STOP on
select format('create role %I login', name) from unnest(array['airflow', 'mlflow', 'release']) as name
where not exists (select from pg_roles where rolname = name) \gexec
alter role airflow password :'airflow';
alter role mlflow password :'mlflow';
alter role release password :'release';
-- The master is no superuser: to give a database to a role it must be its member.
grant airflow, mlflow, release to current_user;
select format('create database %I owner %I', name, name) from unnest(array['airflow', 'mlflow', 'release']) as name
where not exists (select from pg_database where datname = name) \gexec
select format('revoke connect on database %I from public', name) from unnest(array['airflow', 'mlflow', 'release']) as name \gexec
