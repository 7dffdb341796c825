#include "ntk/run/place.h"

void ntk_place_forget_data(ntk_place *place) {
  ntk_data_destroy(&place->data);
  place->data_key[0] = '\0';
}

void ntk_place_destroy(ntk_place *place) {
  ntk_place_forget_data(place);
  ntk_stage_cache_destroy(&place->stages);
  ntk_data_cache_destroy(&place->cache);
}

static ntk_status look_after_files(const ntk_place *place) {
  if (place->locks) NTK_TRY(ntk_lock_set_check(place->locks));
  return place->backlog ? ntk_backlog_check(place->backlog) : NTK_OK;
}

ntk_status ntk_place_boundary(ntk_place *place) {
  if (place->tick) place->tick(place->tick_context);
  NTK_AGREE(place->grid->comm, look_after_files(place));
  return ntk_stop_check(place->stop, place->grid->comm);
}

ntk_status ntk_place_boundary_before(ntk_place *place, double seconds, const char *what) {
  if (place->tick) place->tick(place->tick_context);
  NTK_AGREE(place->grid->comm, look_after_files(place));
  return ntk_stop_check_before(place->stop, place->grid->comm, seconds, what);
}
