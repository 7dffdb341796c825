/* manual.h -- documentation made from the tables of commands and of the config. */
#ifndef NTK_RUN_MANUAL_H
#define NTK_RUN_MANUAL_H

#include "ntk/base/text.h"

/* Local.  Appends every key with its type, range, default and meaning: a valid config. */
NTK_CHECKED ntk_status ntk_manual_reference(ntk_text *text);

/* Local.  Appends the manual page ntkrun(1) in the macros of man(7). */
NTK_CHECKED ntk_status ntk_manual_page(ntk_text *text);

/* Local.  Appends a completion script.
 *   shell  "bash" or "zsh" */
NTK_CHECKED ntk_status ntk_manual_completion(const char *shell, ntk_text *text);

#endif
