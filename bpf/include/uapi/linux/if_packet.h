/* Empty on purpose: BCC includes it and brings what is needed itself. */
