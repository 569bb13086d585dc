"""Asset checks on the marts. (Raw's own stand with the raw assets, dbt's tests with the models.)"""
