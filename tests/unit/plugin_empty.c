/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A plugin that makes no stacks. */
const char *ioth_empty_license = "LGPL-2.1-or-later";
