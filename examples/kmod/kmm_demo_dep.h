/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
#ifndef KMM_DEMO_DEP_H
#define KMM_DEMO_DEP_H

/* Counts one greeting and returns how many were given since the module was loaded. */
int kmm_demo_dep_count_greeting(void);

#endif
