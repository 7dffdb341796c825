/* A record holds labelled arrays of every kind, of any number, keeps what is put in, refuses names
 * it cannot hold, and frees everything, also when any of its steps fails. */
//TEST ranks=1
#include "ntk/base/record.h"

#include "test.h"

static const ntk_field time_field = {.name = "time",
                                     .dimensions = "time",
                                     .units = "s",
                                     .long_name = "training time",
                                     .source = "D1",
                                     .kind = NTK_KIND_REAL};
static const ntk_field curve = {
    .name = "prediction", .dimensions = "time  shown output ", .kind = NTK_KIND_SINGLE};
static const ntk_field names = {.name = "layer", .dimensions = "layer", .kind = NTK_KIND_TEXT};
static const ntk_field flag = {.name = "done", .dimensions = "", .kind = NTK_KIND_FLAG};

static ntk_status add_arrays(ntk_record *record) {
  double *time = NULL;
  float *prediction = NULL;
  char **name = NULL;

  NTK_TRY(ntk_record_add(record, &time_field, (const int64_t[]){4}, &time));
  NTK_TRY(ntk_record_add(record, &curve, (const int64_t[]){4, 3, 2}, &prediction));
  NTK_TRY(ntk_record_add(record, &names, (const int64_t[]){2}, &name));
  NTK_TRY(ntk_record_add(record, &flag, NULL, NULL));
  for (int k = 0; k < 4; ++k) EXPECT(time[k] == 0);
  for (int k = 0; k < 24; ++k) EXPECT(prediction[k] == 0);
  EXPECT(!name[0] && !name[1]);
  time[3] = 2.5;
  prediction[23] = 7;
  ntk_variable *layer = ntk_record_find(record, "layer");

  NTK_TRY(ntk_variable_set_text(layer, 1, "hidden"));
  NTK_TRY(ntk_variable_set_text(layer, 1, "readout"));
  EXPECT_TEXT(name[1], "readout");
  return NTK_OK;
}

static ntk_status add_attributes(ntk_record *record) {
  NTK_TRY(ntk_record_set_text(record, "solver", "pdsyevd"));
  NTK_TRY(ntk_record_set_real(record, "residual", 1e-15));
  NTK_TRY(ntk_record_set_int(record, "block", 64));
  NTK_TRY(ntk_record_set_text(record, "block", "none")); /* replaces, with another kind */
  NTK_TRY(ntk_record_set_text(record, "block", "many"));
  NTK_TRY(ntk_record_set_int(record, "solver", 3));
  return NTK_OK;
}

/* Enough variables and attributes for the lists to grow several times. */
static ntk_status add_many(ntk_record *record) {
  for (int k = 0; k < 40; ++k) {
    char name[32];
    const ntk_field field = {.name = name, .kind = k % 2 ? NTK_KIND_INT : NTK_KIND_REAL};

    (void)snprintf(name, sizeof(name), "group/scalar%d", k);
    NTK_TRY(k % 2 ? ntk_record_add_int(record, &field, k) : ntk_record_add_real(record, &field, k));
    NTK_TRY(ntk_record_set_int(record, name, -k));
  }
  return NTK_OK;
}

static void check_arrays(const ntk_record *record) {
  const ntk_variable *time = ntk_record_find(record, "time");
  const ntk_variable *prediction = ntk_record_find(record, "prediction");
  const ntk_variable *done = ntk_record_find(record, "done");

  EXPECT(time && time->rank == 1 && time->size[0] == 4 && time->count == 4);
  EXPECT(((const double *)time->data)[3] == 2.5);
  EXPECT_TEXT(time->units, "s");
  EXPECT_TEXT(time->long_name, "training time");
  EXPECT_TEXT(time->source, "D1");
  EXPECT(prediction && prediction->rank == 3 && prediction->count == 24);
  EXPECT(((const float *)prediction->data)[23] == 7);
  EXPECT_TEXT(prediction->dimension[0], "time");
  EXPECT_TEXT(prediction->dimension[1], "shown");
  EXPECT_TEXT(prediction->dimension[2], "output");
  EXPECT_TEXT(prediction->units, "1");
  EXPECT_TEXT(prediction->long_name, "");
  EXPECT(done && done->rank == 0 && done->count == 1 && *(const int8_t *)done->data == 0);
  EXPECT(!ntk_record_find(record, "tim") && !ntk_record_find(record, "absent"));
}

static void check_attributes(const ntk_record *record) {
  const ntk_attribute *block = ntk_record_find_attribute(record, "block");
  const ntk_attribute *solver = ntk_record_find_attribute(record, "solver");
  const ntk_attribute *residual = ntk_record_find_attribute(record, "residual");

  EXPECT(block && block->kind == NTK_KIND_TEXT);
  EXPECT_TEXT(block->text, "many");
  EXPECT(solver && solver->kind == NTK_KIND_INT && solver->integer == 3 && !solver->text);
  EXPECT(residual && residual->kind == NTK_KIND_REAL && residual->real == 1e-15);
  EXPECT(!ntk_record_find_attribute(record, "time"));
}

static void check_many(const ntk_record *record) {
  EXPECT(record->variable_count == 44 && record->attribute_count == 43);
  for (int k = 0; k < 40; ++k) {
    char name[32];

    (void)snprintf(name, sizeof(name), "group/scalar%d", k);
    const ntk_variable *variable = ntk_record_find(record, name);

    EXPECT(variable && variable->rank == 0);
    EXPECT(k % 2 ? *(const int64_t *)variable->data == k : *(const double *)variable->data == k);
    EXPECT(ntk_record_find_attribute(record, name)->integer == -k);
  }
}

static ntk_status fill(ntk_record *record) {
  NTK_TRY(add_arrays(record));
  NTK_TRY(add_attributes(record));
  NTK_TRY(add_many(record));
  return NTK_OK;
}

static ntk_status record_job(void *context) {
  ntk_record record = {.name = "dynamics"};
  const ntk_status status = fill(&record);

  (void)context;
  if (status == NTK_OK) {
    check_arrays(&record);
    check_attributes(&record);
    check_many(&record);
  }
  ntk_record_destroy(&record);
  ntk_record_destroy(&record);
  EXPECT(record.variable_count == 0 && !record.variables && !record.attributes);
  return status;
}

static void check_refusals(void) {
  ntk_record record = {0};
  char name[NTK_NAME_SIZE + 1];
  ntk_field field = {.name = name, .kind = NTK_KIND_REAL};
  const ntk_field vast = {.name = "vast", .dimensions = "a b", .kind = NTK_KIND_REAL};

  memset(name, 'n', NTK_NAME_SIZE);
  name[NTK_NAME_SIZE] = '\0';
  EXPECT_REFUSED(ntk_record_add_real(&record, &field, 1), NTK_E_INPUT, "1 to 95 characters");
  EXPECT_REFUSED(ntk_record_set_real(&record, name, 1), NTK_E_INPUT, "1 to 95 characters");
  EXPECT_REFUSED(ntk_record_set_text(&record, "", ""), NTK_E_INPUT, "1 to 95 characters");
  name[NTK_NAME_SIZE - 1] = '\0';
  EXPECT_OK(ntk_record_add_real(&record, &field, 1));
  EXPECT_REFUSED(ntk_record_add(&record, &vast, (const int64_t[]){INT64_MAX / 2, 3}, NULL),
                 NTK_E_MEMORY, "vast");
  EXPECT_REFUSED(ntk_record_add(&record, &vast, (const int64_t[]){INT64_MAX / 2, 2}, NULL),
                 NTK_E_MEMORY, "out of memory");
  EXPECT_OK(ntk_record_add(&record, &vast, (const int64_t[]){INT64_MAX, 0}, NULL));
  EXPECT(record.variable_count == 2 && record.variables[1].count == 0);
  ntk_record_destroy(&record);
}

int main(int argc, char **argv) {
  begin_test(&argc, &argv);
  EXPECT(ntk_kind_size(NTK_KIND_FLAG) == 1 && ntk_kind_size(NTK_KIND_SINGLE) == 4);
  check_refusals();
  EXPECT(sweep_faults(record_job, NULL) >= 6);
  EXPECT(ntk_memory_balance() == 0);
  MPI_Finalize();
  return 0;
}
