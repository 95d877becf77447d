"""The shape of an OpenLineage event on the wire, as far as we read it (https://openlineage.io/spec).

Field names are camelCase there. What is not named here is no fault, as the specification asks. Facets are read one by
one, so that one that is wrong does not take the event with it.
"""

from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from tools.numbers import Num
from tools.records import Utc

Name = Annotated[str, Field(min_length=1, max_length=1000)]
RunId = Annotated[str, Field(min_length=1, max_length=200)]
Text = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=0, lt=2**63)]
State = Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]
RawFacets = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value is None else value)]
"""Facets as they came; some clients send null where they have none."""


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
    """`dataset` are the columns that all of the dataset depends on, through a filter or a join."""

    fields: dict[str, OutputField] = {}
    dataset: list[InputField] = []


class LineageInput(Part):
    """One that an entry is made from. A job without a name is the event's own."""

    namespace: Name | None = None
    name: Name | None = None
    type: Literal["DATASET", "JOB"] = "DATASET"
    field: Name | None = None


class LineageField(Part):
    inputs: list[LineageInput] = []


class LineageEntry(Part):
    """What a dataset or job, by default the one that the facet stands at, is made from, and its columns from which."""

    namespace: Name | None = None
    name: Name | None = None
    type: Literal["DATASET", "JOB"] | None = None
    inputs: list[LineageInput] = []
    fields: dict[str, LineageField] = {}


class LineageFacet(LineageEntry):
    """Of a job or run it has `entries`, of a dataset it is one."""

    entries: list[LineageEntry] = []


class ColumnMetrics(Part):
    null_count: Count | None = None
    distinct_count: Count | None = None
    count: Num | None = None
    sum: Num | None = None
    min: Num | None = None
    max: Num | None = None
    quantiles: dict[str, Num] = {}

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self


class DataQuality(Part):
    row_count: Count | None = None
    bytes: Count | None = None
    file_count: Count | None = None
    last_updated: Utc | None = None
    column_metrics: dict[str, ColumnMetrics] = {}


class Volume(Part):
    """`inputStatistics` and `outputStatistics`."""

    row_count: Count | None = None
    size: Count | None = None
    file_count: Count | None = None


class AssertionResult(Part):
    assertion: Text
    success: bool
    column: Text | None = None


class Assertions(Part):
    assertions: list[AssertionResult] = []


class HistogramFacet(Part):
    edges: list[Num]
    counts: list[Count]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.edges) != len(self.counts) + 1:
            raise ValueError(f"{len(self.counts)} counts need {len(self.counts) + 1} edges, and have {len(self.edges)}")
        if not all(low < high for low, high in pairwise(self.edges)):
            raise ValueError("the edges of a histogram must rise")
        return self


class Moments(Part):
    mean: Num | None = None
    variance: Num | None = None
    histogram: HistogramFacet | None = None

    @model_validator(mode="after")
    def _not_below_zero(self) -> Self:
        if self.variance is not None and self.variance < 0:
            raise ValueError(f"a variance cannot be {self.variance}")
        return self


class ColumnStatistics(Part):
    columns: dict[str, Moments] = {}


class Owner(Part):
    name: Text


class Ownership(Part):
    owners: list[Owner] = []


class Facets(Part):
    """The facets of a dataset, whichever of the three places they came in."""

    data_schema: Schema | None = Field(default=None, alias="schema")
    ownership: Ownership | None = None
    column_lineage: ColumnLineage | None = None
    lineage: LineageFacet | None = None
    data_quality_metrics: DataQuality | None = None
    data_quality_assertions: Assertions | None = None
    input_statistics: Volume | None = None
    output_statistics: Volume | None = None
    hawkeye_column_statistics: ColumnStatistics | None = Field(default=None, alias="hawkeye_columnStatistics")


class SourceCodeLocation(Part):
    url: Text | None = None
    repo_url: Text | None = None
    version: Text | None = None
    tag: Text | None = None
    pull_request_number: Annotated[Text | None, BeforeValidator(lambda v: str(v) if isinstance(v, int) else v)] = None


class SourceCode(Part):
    source_code: str


class Sql(Part):
    query: str


class Parameter(Part):
    key: Name
    value: Any = None


class Parameters(Part):
    parameters: Annotated[list[Parameter], Field(max_length=500)] = []


class JobFacets(Part):
    ownership: Ownership | None = None
    source_code_location: SourceCodeLocation | None = None
    source_code: SourceCode | None = None
    sql: Sql | None = None
    lineage: LineageFacet | None = None


class ProcessingEngine(Part):
    version: Text
    name: Text | None = None


class DbtVersion(Part):
    version: Text


class Variable(Part):
    name: Name
    value: str


class EnvironmentVariables(Part):
    environment_variables: Annotated[list[Variable], Field(max_length=500)] = []


class NominalTime(Part):
    nominal_start_time: Utc
    nominal_end_time: Utc | None = None


class RunFacets(Part):
    nominal_time: NominalTime | None = None
    execution_parameters: Parameters | None = None
    processing_engine: ProcessingEngine | None = Field(default=None, alias="processing_engine")
    dbt_version: DbtVersion | None = Field(default=None, alias="dbt_version")
    environment_variables: EnvironmentVariables | None = None
    lineage: LineageFacet | None = None


class Dataset(Part):
    namespace: Name
    name: Name
    facets: RawFacets = {}
    input_facets: RawFacets = {}
    output_facets: RawFacets = {}


class Job(Part):
    namespace: Name
    name: Name
    facets: RawFacets = {}


class Run(Part):
    run_id: RunId
    facets: RawFacets = {}


class Event(Part):
    event_time: Utc
    event_type: State = "OTHER"
    run: Run | None = None
    job: Job | None = None
    dataset: Dataset | None = None
    inputs: list[Dataset] | None = None
    outputs: list[Dataset] | None = None
