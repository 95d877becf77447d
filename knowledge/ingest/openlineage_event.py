"""The shape of an OpenLineage event on the wire, as far as we read it (https://openlineage.io/spec).

Field names are camelCase there. What is not named here is ignored, as the specification asks.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from tools.numbers import Num
from tools.records import Utc

Name = Annotated[str, Field(min_length=1, max_length=200)]
State = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]


class Part(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class SchemaField(Part):
    name: str
    type: str | None = None


class Schema(Part):
    fields: list[SchemaField] = []


class InputField(Part):
    namespace: Name
    name: Name
    field: Name


class OutputField(Part):
    input_fields: list[InputField] = []


class ColumnLineage(Part):
    fields: dict[str, OutputField] = {}


class ColumnMetrics(Part):
    null_count: int | None = Field(default=None, ge=0)
    distinct_count: int | None = Field(default=None, ge=0)
    count: Num | None = None
    sum: Num | None = None
    min: Num | None = None
    max: Num | None = None


class DataQuality(Part):
    row_count: int | None = Field(default=None, ge=0)
    column_metrics: dict[str, ColumnMetrics] = {}


class OutputStatistics(Part):
    row_count: int | None = Field(default=None, ge=0)


class Moments(Part):
    mean: Num | None = None
    variance: Num | None = None


class ColumnStatistics(Part):
    columns: dict[str, Moments] = {}


class Owner(Part):
    name: str


class Ownership(Part):
    owners: list[Owner] = []


class Facets(Part):
    """The facets of a dataset, whichever of the three places they came in."""

    data_schema: Schema | None = Field(default=None, alias="schema")
    ownership: Ownership | None = None
    column_lineage: ColumnLineage | None = None
    data_quality_metrics: DataQuality | None = None
    output_statistics: OutputStatistics | None = None
    hawkeye_column_statistics: ColumnStatistics | None = Field(default=None, alias="hawkeye_columnStatistics")


class Dataset(Part):
    namespace: Name
    name: Name
    facets: dict[str, Any] = {}
    input_facets: dict[str, Any] = {}
    output_facets: dict[str, Any] = {}


class SourceCodeLocation(Part):
    url: str | None = None
    version: str | None = None
    tag: str | None = None


class SourceCode(Part):
    source_code: str


class Sql(Part):
    query: str


class Parameter(Part):
    key: str
    value: Any = None


class Parameters(Part):
    parameters: list[Parameter] = []


class JobFacets(Part):
    ownership: Ownership | None = None
    source_code_location: SourceCodeLocation | None = None
    source_code: SourceCode | None = None
    sql: Sql | None = None


class Job(Part):
    namespace: Name
    name: Name
    facets: JobFacets = JobFacets()


class RunFacets(Part):
    execution_parameters: Parameters | None = None


class Run(Part):
    run_id: Name
    facets: RunFacets = RunFacets()


class Event(Part):
    event_time: Utc
    event_type: State = "OTHER"
    run: Run | None = None
    job: Job | None = None
    dataset: Dataset | None = None
    inputs: list[Dataset] = []
    outputs: list[Dataset] = []
