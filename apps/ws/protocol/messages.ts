// CORE: the lead overwrote your messages.ts by mistake (he thought nobody was here). Please put yours back; codes.ts is yours too.
